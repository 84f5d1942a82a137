"""What a training step keeps in memory, and how long it takes, by what it keeps for the backward pass.

``store`` is autograd as it is, ``checkpoint`` and ``invert`` are :mod:`rheon.memory`. The peak is that of
PyTorch's own allocator, by its profiler: everything allocated during forward and backward pass above what
lay there before, less the gradients of the weights, which are there at the end whatever is kept. Of ``store``
and ``checkpoint``, whose peak may come before they are there, it says too little.
"""

from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import common
from rheon.architectures import realnvp, spline_coupling
from rheon.architectures.multiscale import couplings
from rheon.bijections import Bijection, Composition
from rheon.distributions import StandardNormal
from rheon.flow import Flow
from rheon.memory import Checkpointed, Rebuilt
from rheon.partitions import Checkerboard

DEPTHS = (10, 100)
WAYS: dict[str, Callable[[Bijection], Bijection]] = {
    "store": lambda f: f,
    "checkpoint": Checkpointed,
    "invert": Rebuilt,
}
Loss = Callable[[], Tensor]


def flows(couplings_: int) -> dict[str, tuple[Flow, Tensor]]:
    """Flows of so many couplings of one kind, with their batches."""
    shape = (3, 16, 16)
    image = Flow(Composition(couplings(Checkerboard(), couplings_, shape, 32, 2)), StandardNormal(shape))
    made = {
        "realnvp, 8 features, 256 rows": (realnvp(8, couplings_), (256, 8)),
        "realnvp, 64 features, hidden 256, 256 rows": (realnvp(64, couplings_, (256, 256)), (256, 64)),
        "spline_coupling, 8 features, 256 rows": (spline_coupling(8, couplings_), (256, 8)),
        "checkerboards, 3×16×16, 16 images": (image, (16, *shape)),
    }
    return {name: (flow, torch.randn(size)) for name, (flow, size) in made.items()}


def loss_of(flow: Flow, way: str, x: Tensor) -> Loss:
    """-log p of the batch in the mean, by a flow with the same weights that keeps what ``way`` keeps."""
    view = Flow(WAYS[way](flow.bijection), flow.base)
    with torch.no_grad():
        view(x)  # sets the norms
    return lambda: -view(x).mean()


def peak(flow: nn.Module, loss: Loss) -> int:
    """Bytes of the largest moment of a forward and backward pass, less the weights' gradients."""
    loss().backward()
    flow.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        loss().backward()
    kineto = seen.profiler.kineto_results.events()  # type: ignore[union-attr]
    events = sorted((event.start_ns(), event.nbytes()) for event in kineto if event.name() == "[memory]")
    live = most = 0
    for _, change in events:
        live += change
        most = max(most, live)
    flow.zero_grad(set_to_none=True)
    return most - sum(p.numel() * p.element_size() for p in flow.parameters())


def seconds(flow: nn.Module, losses: dict[str, Loss], rounds: int) -> dict[str, float]:
    """Median seconds of a forward and backward pass, in turns."""
    times: dict[str, list[float]] = {way: [] for way in losses}
    for _ in range(rounds):
        for way, loss in losses.items():
            start = common.clock()
            loss().backward()
            times[way].append(common.clock() - start)
            flow.zero_grad(set_to_none=True)
    return {way: median(values) for way, values in times.items()}


def run(rounds: int) -> str:
    """Measures and returns the table."""
    torch.manual_seed(0)
    lines = [
        "### What is kept for the backward pass",
        "",
        "| flow | kept | "
        + " | ".join(f"peak, {n} couplings | time" for n in DEPTHS)
        + " | growth of peak |",
        "|---|---|" + "--:|" * (2 * len(DEPTHS) + 1),
    ]
    made = [flows(n) for n in DEPTHS]
    for name in list(made[0]):
        figures: dict[str, list[tuple[int, float]]] = {way: [] for way in WAYS}
        for by_name in made:
            flow, x = by_name.pop(name)
            losses = {way: loss_of(flow, way, x) for way in WAYS}
            times = seconds(flow, losses, rounds)
            for way, loss in losses.items():
                figures[way].append((peak(flow, loss), times[way] / times["store"]))
        for way, pairs in figures.items():
            cells = " | ".join(f"{most / 2**20:.2f} MiB | {ratio:.2f}" for most, ratio in pairs)
            lines.append(f"| {name} | {way} | {cells} | {pairs[-1][0] / pairs[0][0]:.2f} |")
    return "\n".join(lines)
