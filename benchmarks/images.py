"""The same two-scale affine flow on 3×32×32 images, random data.

Three checkerboard couplings on 3×32×32, squeeze, three channel-wise couplings on 12×16×16, half of the
channels factored out, four checkerboard couplings on the other 6×16×16. The conditioner is
:class:`ResidualNet`, handed to every library that takes a network: 32 channels wide at the first scale, 64
after the squeeze. Batches of 32 train, score and sample.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.common import Contender, built, table, take_turns, torch_contender

SHAPE, WIDTH, BLOCKS, BATCH = (3, 32, 32), 32, 2, 32


class ResidualNet(nn.Module):
    """RealNVP's conditioner: [relu x, relu -x], residual blocks with batch norm, 1×1 skips to the head."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.stem = nn.Conv2d(2 * inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)),
                *(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)),
            )
            for _ in range(BLOCKS)
        )
        self.skips = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(BLOCKS + 1))
        self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, outputs, 1))
        nn.init.zeros_(self.head[2].weight)
        nn.init.zeros_(self.head[2].bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.norm(x)
        h = self.stem(torch.cat((x, -x), 1).relu())
        total = self.skips[0](h)
        for block, skip in zip(self.blocks, list(self.skips)[1:], strict=True):
            h = h + block(h)
            total = total + skip(h)
        return self.head(total)


def run(rounds: int) -> str:
    """Measures all contenders and returns the table."""
    torch.manual_seed(0)
    x = torch.randn(BATCH, *SHAPE)

    def contender(name: str, make: Callable[[], tuple], fused: bool = False) -> Callable[[], Contender]:
        return lambda: torch_contender(name, *make(), x, x, fused, lr=1e-4)

    makers = {
        "rheon": contender("rheon", lambda: _rheon(ResidualNet), fused=True),
        "rheon, its own ConvNet": contender("rheon, its own ConvNet", lambda: _rheon(_convnet), fused=True),
        "normflows": contender("normflows", _normflows),
        "nflows": contender("nflows", _nflows),
        "torchflows": contender("torchflows", _torchflows),
    }
    contenders = list(built(makers))
    title = f"Images: 3×32×32, two scales, width {WIDTH} and {2 * WIDTH}, batches of {BATCH}"
    return table(title, contenders, take_turns(contenders, rounds, train_steps=1))


def _convnet(inputs: int, outputs: int, width: int) -> nn.Module:
    from rheon.conditioners import ConvNet

    return ConvNet(inputs, outputs, width, BLOCKS)


def _rheon(net: Callable[[int, int, int], nn.Module]) -> tuple:
    from rheon import Flow
    from rheon.bijections import Bijection, Composition, Coupling, FactorOut, Squeeze
    from rheon.distributions import StandardNormal
    from rheon.elementwise import Affine
    from rheon.partitions import Channels, Checkerboard, Partition

    def couplings(partition: Partition, number: int, shape: tuple[int, ...], width: int) -> list[Bijection]:
        layers: list[Bijection] = []
        for k in range(number):
            part = partition.swapped() if k % 2 else partition
            kept, changed = part.shapes(shape)
            layers.append(Coupling(part, Affine(), net(kept[0], 2 * changed[0], width)))
        return layers

    last = Composition(couplings(Checkerboard(), 4, (6, 16, 16), 2 * WIDTH))
    layers = [
        *couplings(Checkerboard(), 3, SHAPE, WIDTH),
        Squeeze(),
        *couplings(Channels(), 3, (12, 16, 16), 2 * WIDTH),
        FactorOut(Channels(), last, (12, 16, 16)),
    ]
    flow = Flow(Composition(layers), StandardNormal(3 * 32 * 32), SHAPE)
    return flow, flow.log_prob, flow.sample


def _normflows() -> tuple:
    import normflows as nf

    def couplings(kind: str, number: int, channels: int, width: int) -> list:
        modes = [kind, f"{kind}_inv"]
        return [
            nf.flows.AffineCouplingBlock(ResidualNet(channels, 2 * channels, width), split_mode=modes[k % 2])
            for k in range(number)
        ]

    # This library's forward goes from z to x, so the finest layers come last.
    first_scale = [
        *couplings("channel", 3, 6, 2 * WIDTH),
        nf.flows.Squeeze(),
        *couplings("checkerboard", 3, 3, WIDTH),
    ]
    bases = [nf.distributions.DiagGaussian((6, 16, 16), trainable=False) for _ in range(2)]
    scales = [couplings("checkerboard", 4, 6, 2 * WIDTH), first_scale]
    flow = nf.MultiscaleFlow(bases, scales, [nf.flows.Merge()], class_cond=False)
    return flow, lambda x: flow.log_prob(x, None), lambda n: flow.sample(n)[0]


def _nflows() -> tuple:
    from nflows import transforms
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow

    def couplings(number: int, channels: int, width: int) -> list:
        layers = []
        for k in range(number):
            first = torch.arange(channels) < channels // 2
            mask = torch.where(first == (k % 2 == 0), -1, 1)
            layers.append(transforms.AffineCouplingTransform(mask, lambda i, o: ResidualNet(i, o, width)))
        return layers

    flow = transforms.MultiscaleCompositeTransform(2)
    fine = [*couplings(3, 3, WIDTH), transforms.SqueezeTransform(), *couplings(3, 12, 2 * WIDTH)]
    left = flow.add_transform(transforms.CompositeTransform(fine), (12, 16, 16))
    flow.add_transform(transforms.CompositeTransform(couplings(4, 6, 2 * WIDTH)), left)
    model = Flow(flow, StandardNormal([3 * 32 * 32]))
    return model, model.log_prob, model.sample


def _torchflows() -> tuple:
    from torchflows.bijections.finite.multiscale import MultiscaleRealNVP
    from torchflows.flows import Flow

    flow = Flow(MultiscaleRealNVP(SHAPE, n_layers=2))
    return flow, flow.log_prob, lambda n: flow.sample((n,))
