"""u ~ q(u | k): dequantisation noise that is learned, in place of uniform noise.

For whole numbers k and any density q of noise u in (0, 1)^D,

    log P(k) ≥ E_{u ~ q(u | k)} [log p(k + u) - log q(u | k)],

and the bound is tight where q(u | k) ∝ p(k + u). Uniform noise is q = 1, which p must then fit, flat steps
and all; a q that learns to put its noise where a smooth p wants it costs p less.

Reference: Ho, Chen, Srinivas, Duan, Abbeel, *Flow++: Improving Flow-Based Generative Models with Variational
Dequantization and Architecture Design*, 2019, arXiv:1902.00275, section 3.1.
"""

from collections.abc import Sequence
from math import log1p

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rheon.bijections import Composition, Coupling, Inverse, Squeeze
from rheon.conditioners import ConvNet
from rheon.distributions import StandardLogistic
from rheon.elementwise import Affine
from rheon.errors import RheonError, whole
from rheon.partitions import Channels, Partition

_END = 1e-6
"""δ: a logistic goes on for ever, and float32 does not."""


class Dequantiser(nn.Module):
    """q(u | k), a coupling flow of ε given the image: u = sigmoid(g(ε; k)), ε from a logistic.

        log q(u | k) = log p(ε) - log|det ∂g/∂ε| - Σ log sigmoid'(g(ε; k))

    Couplings begin as the identity, and a logistic through its sigmoid is uniform: an untrained q is uniform
    noise. g changes the channels of ε and never those of k that stand beside them. ε stops where its
    distribution function is δ = 10⁻⁶ and 1 - δ, which log q counts.

    Args:
        shape: (C, H, W) of the images, H and W even.
        levels: of grey.
        width: channels of the conditioners.
        couplings: how many, each changing half of the pixels.

    Raises:
        RheonError: H or W is odd.

    >>> q = Dequantiser((1, 4, 4), levels=256)
    >>> k, r = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.25)
    >>> u, log_q = q(k, r)
    >>> bool(torch.allclose(u, r)), [round(value, 3) for value in log_q.tolist()]
    (True, [0.0, 0.0])
    """

    def __init__(self, shape: Sequence[int], levels: int, width: int = 32, couplings: int = 4) -> None:
        super().__init__()
        channels, height, width_of_image = shape
        if height % 2 or width_of_image % 2:
            raise RheonError(
                f"Dequantiser: images of {height}×{width_of_image} pixels; learned noise needs even sides: "
                "pad them, or keep uniform noise."
            )
        self.levels = whole("levels", levels, 2)
        squeezed = 4 * channels
        half = Channels()
        parts = [half if i % 2 == 0 else half.swapped() for i in range(whole("couplings", couplings, 1))]
        layers = [_coupling(_Beside(squeezed, part), 2 * squeezed, width) for part in parts]
        self.bijection = Composition([Squeeze(), *layers, Inverse(Squeeze())])
        self.base = StandardLogistic(tuple(shape))

    def forward(self, k: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """(u, log q(u | k)) of images k (B, C, H, W), given r (B, C, H, W), uniform on (0, 1)."""
        noise = (_END + (1 - 2 * _END) * r).logit()
        beside = (k + 0.5) * (2 / self.levels) - 1
        both, log_det = self.bijection(torch.cat((beside, noise), 1))
        v = both[:, k.shape[1] :]
        slope = (logsigmoid(v) + logsigmoid(-v)).flatten(1).sum(1)
        kept = k[0].numel() * log1p(-2 * _END)
        return v.sigmoid(), self.base.log_prob(noise) - kept - log_det - slope


class Bound(nn.Module):
    """log p(k + u) - log q(u | k), one draw: what maximum likelihood trains where noise is learned.

    Args:
        flow: p, any module with flow(x) = log p(x), (B,).
        dequantiser: q.

    x holds k and r as channels: (B, 2C, H, W).
    """

    def __init__(self, flow: nn.Module, dequantiser: Dequantiser) -> None:
        super().__init__()
        self.flow = flow
        self.dequantiser = dequantiser

    def around(self, flow: nn.Module) -> "Bound":
        """The bound by another flow and the same noise."""
        return Bound(flow, self.dequantiser)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The bound for each image, (B,), in nats."""
        k, r = x.chunk(2, 1)
        u, log_q = self.dequantiser(k, r)
        log_p: Tensor = self.flow(k + u, context)
        return log_p - log_q


class _Beside(Partition):
    """x = (given, rest) by channels; x_A = (given, A of rest), x_B = B of rest: what is given stays."""

    def __init__(self, given: int, partition: Partition) -> None:
        super().__init__()
        self.given = given
        self.partition = partition

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.partition.split(x[:, self.given :])
        return torch.cat((x[:, : self.given], a), 1), b

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        return torch.cat((x_a[:, : self.given], self.partition.merge(x_a[:, self.given :], x_b)), 1)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        channels, *sides = event_shape
        a, b = self.partition.shapes((channels - self.given, *sides))
        return torch.Size((self.given + a[0], *a[1:])), b


def _coupling(partition: Partition, channels: int, width: int) -> Coupling:
    map_ = Affine()
    (kept, *_), (changed, *_) = partition.shapes((channels, 2, 2))
    return Coupling(partition, map_, ConvNet(kept, map_.num_params * changed, width, blocks=1))
