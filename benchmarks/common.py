"""What all benchmarks share: contenders, rounds in which they take turns, and the table that is printed.

The jobs of all contenders are run one after the other, round by round, in one process, so that whatever the
machine does meanwhile meets all of them. A figure is the median over rounds; a ratio compares medians of the
same run. The unit of a ratio, 1.00, is the fastest of the libraries named in ``REFERENCES``, job by job.
"""

import gc
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

JOBS = ("train", "score", "sample")
REFERENCES = ("zuko", "nflows", "normflows")
clock: Callable[[], float] = time.perf_counter


@dataclass
class Contender:
    """A library's flow with its jobs: one training step, the log-density of rows, the drawing of rows."""

    name: str
    parameters: int
    train: Callable[[], float]
    score: Callable[[], Any]
    sample: Callable[[], Any]
    set_training: Callable[[bool], Any] = lambda training: None
    losses: list[float] = field(default_factory=list)

    def run(self, job: str) -> float:
        """Seconds that the job took."""
        self.set_training(job == "train")
        start = clock()
        result = getattr(self, job)()
        seconds = clock() - start
        if job == "train":
            self.losses.append(result)
        return seconds


def torch_contender(
    name: str,
    flow: nn.Module,
    log_prob: Callable[[Tensor], Tensor],
    sample: Callable[[int], Any],
    batch: Tensor,
    rows: Tensor,
    fused: bool = False,
    lr: float = 1e-3,
) -> Contender:
    """A contender in PyTorch: Adam on -log p(batch), scores of ``rows`` and as many samples, no gradients.

    ``fused`` is the optimiser's own switch. Off, it is ``torch.optim.Adam`` as its users call it.
    """
    weights = list(flow.parameters())
    optimiser = torch.optim.Adam(weights, lr, fused=fused or None)

    def train() -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = -log_prob(batch).mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    @torch.no_grad()
    def score() -> Tensor:
        return log_prob(rows)

    @torch.no_grad()
    def draw() -> Any:
        return sample(len(rows))

    size = sum(weight.numel() for weight in weights)
    return Contender(name, size, train, score, draw, flow.train)


def built(makers: dict[str, Callable[[], Contender]]) -> Iterable[Contender]:
    """The contenders that can be built here; of the others, the reason goes to stderr."""
    for name, make in makers.items():
        try:
            contender = make()
            for job in JOBS:
                contender.run(job)
        except Exception as error:  # noqa: BLE001 - whatever ails another library, the others are still measured
            print(f"{name} is left out: {type(error).__name__}: {error}", file=sys.stderr)
        else:
            yield contender


def take_turns(
    contenders: list[Contender], rounds: int, train_steps: int = 5
) -> dict[tuple[str, str], float]:
    """Median seconds of each (contender, job). Each round begins with another contender."""
    times: dict[tuple[str, str], list[float]] = {(c.name, job): [] for c in contenders for job in JOBS}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                for job in JOBS:
                    for _ in range(train_steps if job == "train" else 1):
                        times[contender.name, job].append(contender.run(job))
            gc.collect()
    finally:
        gc.enable()
    return {key: median(values) for key, values in times.items()}


def table(title: str, contenders: list[Contender], times: dict[tuple[str, str], float]) -> str:
    """The figures as a Markdown table."""
    best = {
        job: min((times[c.name, job] for c in contenders if c.name in REFERENCES), default=float("nan"))
        for job in JOBS
    }
    lines = [
        f"### {title}",
        "",
        "| library | parameters | train step | score | sample | loss, first → last step |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for c in contenders:
        cells = [f"{1e3 * times[c.name, job]:.1f} ms ({times[c.name, job] / best[job]:.2f})" for job in JOBS]
        losses = f"{c.losses[0]:,.1f} → {c.losses[-1]:,.1f}"
        lines.append(f"| {c.name} | {c.parameters:,} | {' | '.join(cells)} | {losses} |")
    return "\n".join(lines)


def machine(threads: int) -> str:
    """Processor, threads and versions, in one line."""
    packages = ("torch", *REFERENCES, "flowjax", "jax", "torchflows")
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"{_processor()}, {threads} thread{'s' * (threads > 1)}; {', '.join(found)}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    names = {key.strip(): value.strip() for key, value in fields.items()}
    wide = " with AVX-512" if "avx512f" in names.get("flags", "") else ""
    model = names.get("model name", platform.machine())
    family = f" family {names['cpu family']}" if "cpu family" in names else ""
    return f"{model}{family}{wide}"
