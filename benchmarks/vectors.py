"""The same affine coupling flow on vectors in every library.

D features, K couplings that change one half and then the other, each with its own perceptron from D/2 over
two hidden layers to a shift and a log-scale for the other D/2, and a standard normal base.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import Contender, built, table, take_turns, torch_contender


@dataclass(frozen=True)
class Task:
    """Sizes of a flow and of its batches."""

    features: int
    couplings: int
    hidden: int
    batch: int
    rows: int = 16_384

    def title(self) -> str:
        return (
            f"Vectors: {self.features} features, {self.couplings} couplings, hidden layers {self.hidden}, "
            f"{self.hidden}; batches of {self.batch}, {self.rows:,} scores and samples"
        )

    def data(self, n: int, seed: int) -> Tensor:
        """Correlated, skewed rows of mean 0 and about unit variance."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(n, self.features, generator=generator)
        return (0.8 * x + 0.5 * x.roll(1, 1) + 0.3 * (x.roll(2, 1) ** 2 - 1)).contiguous()


LARGE = Task(features=64, couplings=10, hidden=256, batch=512)
SMALL = Task(features=8, couplings=8, hidden=64, batch=256)


def run(task: Task, rounds: int) -> str:
    """Measures all contenders and returns the table."""
    torch.manual_seed(0)
    batch, rows = task.data(task.batch, 1), task.data(task.rows, 2)

    def from_torch(name: str, make: Callable[[Task], tuple], fused: bool = False) -> Callable[[], Contender]:
        return lambda: torch_contender(name, *make(task), batch, rows, fused)

    makers = {
        "rheon": from_torch("rheon", _rheon, fused=True),
        "rheon, Adam not fused": from_torch("rheon, Adam not fused", _rheon),
        "rheon, its realnvp": from_torch("rheon, its realnvp", _realnvp, fused=True),
        "zuko": from_torch("zuko", _zuko),
        "nflows": from_torch("nflows", _nflows),
        "normflows": from_torch("normflows", _normflows),
        "torchflows": from_torch("torchflows", _torchflows),
        "flowjax": lambda: _flowjax(task, batch, rows),
    }
    contenders = list(built(makers))
    return table(task.title(), contenders, take_turns(contenders, rounds))


def _rheon(task: Task) -> tuple:
    """The couplings alone, as in the other libraries."""
    from rheon import Flow
    from rheon.bijections import Bijection, Composition, Coupling
    from rheon.conditioners import MLP
    from rheon.distributions import StandardNormal
    from rheon.elementwise import Affine
    from rheon.fused import Fused
    from rheon.partitions import Halves

    half, hidden = task.features // 2, (task.hidden, task.hidden)
    layers: list[Bijection] = [
        Coupling(Halves().swapped() if k % 2 else Halves(), Affine(), MLP(half, task.features, hidden))
        for k in range(task.couplings)
    ]
    flow = Flow(Fused(Composition(layers)), StandardNormal(task.features))
    return flow, flow.log_prob, flow.sample


def _realnvp(task: Task) -> tuple:
    from rheon.architectures import realnvp

    flow = realnvp(task.features, task.couplings, (task.hidden, task.hidden))
    return flow, flow.log_prob, flow.sample


def _zuko(task: Task) -> tuple:
    import zuko

    flow = zuko.flows.NICE(
        task.features,
        transforms=task.couplings,
        hidden_features=(task.hidden, task.hidden),
        univariate=zuko.transforms.MonotonicAffineTransform,
        shapes=[(), ()],
        randmask=False,
    )
    return flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,))


def _nflows(task: Task) -> tuple:
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms import AffineCouplingTransform, CompositeTransform

    class Net(nn.Sequential):
        def __init__(self, inputs: int, outputs: int) -> None:
            h = task.hidden
            super().__init__(
                nn.Linear(inputs, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, outputs)
            )

        def forward(self, x: Tensor, context: Any = None) -> Tensor:
            return super().forward(x)

    half = torch.arange(task.features) < task.features // 2
    masks = [half.int() * 2 - 1 if k % 2 else 1 - half.int() * 2 for k in range(task.couplings)]
    flow = Flow(
        CompositeTransform([AffineCouplingTransform(mask, Net) for mask in masks]),
        StandardNormal([task.features]),
    )
    return flow, flow.log_prob, flow.sample


def _normflows(task: Task) -> tuple:
    import normflows as nf

    layers = []
    for _ in range(task.couplings):
        net = nf.nets.MLP([task.features // 2, task.hidden, task.hidden, task.features], init_zeros=True)
        layers += [nf.flows.AffineCouplingBlock(net), nf.flows.Permute(task.features, mode="swap")]
    flow = nf.NormalizingFlow(nf.distributions.base.DiagGaussian(task.features, trainable=False), layers)
    return flow, flow.log_prob, lambda n: flow.sample(n)[0]


def _torchflows(task: Task) -> tuple:
    from torchflows.bijections.finite.autoregressive.architectures import RealNVP
    from torchflows.flows import Flow

    net = {"n_hidden": task.hidden, "n_layers": 3, "nonlinearity": nn.ReLU}
    flow = Flow(RealNVP((task.features,), n_layers=task.couplings, conditioner_kwargs=net))
    return flow, flow.log_prob, lambda n: flow.sample((n,))


def _flowjax(task: Task, batch: Tensor, rows: Tensor) -> Contender:
    import equinox
    import jax
    import optax
    from flowjax.bijections import Affine
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow

    flow = coupling_flow(
        jax.random.key(0),
        base_dist=Normal(jax.numpy.zeros(task.features)),
        transformer=Affine(),
        flow_layers=task.couplings,
        nn_width=task.hidden,
        nn_depth=2,
    )
    x, many = jax.numpy.asarray(batch.numpy()), jax.numpy.asarray(rows.numpy())
    weights, rest = equinox.partition(flow, equinox.is_inexact_array)
    optimiser = optax.adam(1e-3)
    now = [weights, optimiser.init(weights)]

    @equinox.filter_jit
    def step(weights: Any, state: Any) -> tuple:
        def loss(weights: Any) -> Any:
            return -equinox.combine(weights, rest).log_prob(x).mean()

        value, gradient = equinox.filter_value_and_grad(loss)(weights)
        updates, state = optimiser.update(gradient, state)
        return equinox.apply_updates(weights, updates), state, value

    def train() -> float:
        now[0], now[1], loss = step(*now)
        return loss.item()

    log_prob = equinox.filter_jit(lambda weights: equinox.combine(weights, rest).log_prob(many))
    draw = equinox.filter_jit(lambda weights, key: equinox.combine(weights, rest).sample(key, (task.rows,)))
    size = sum(leaf.size for leaf in jax.tree.leaves(weights))
    return Contender(
        "flowjax",
        size,
        train,
        lambda: log_prob(now[0]).block_until_ready(),
        lambda: draw(now[0], jax.random.key(1)).block_until_ready(),
    )
