"""z = Φ⁻¹(F(x)) per feature, with a smooth F: the map of a column to the normal distribution."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rheon.bijections.base import Bijection, check_event
from rheon.errors import RheonError

_FAR = 64.0
"""Distance from the outer knots, in standard deviations, from which light tails go on by a logarithm."""


Pair = tuple[Tensor, Tensor]
Tail = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Pair]


class _Bin(NamedTuple):
    """Left knot, width, image, height, σ = height / width, and the slopes at both ends; each (D, B)."""

    x0: Tensor
    width: Tensor
    z0: Tensor
    height: Tensor
    sigma: Tensor
    log_sigma: Tensor
    d0: Tensor
    d1: Tensor


class QuantileMap(Bijection):
    """z_j = Q_j(x_j), a monotone map through K knots per feature, continuously differentiable. Event (D,).

    Between the knots (x_k, z_k), with slopes δ_k there, Q is the rational-quadratic spline of Gregory and
    Delbourgo. Beyond the outer knots, at the distance v = δ |x - x_K|, a tail of index τ goes on with the
    slope that the knot has:

        z = ±√(z_K² + 2 e),   e = log(1 + τ |z_K| v) / τ         τ > 0: generalised Pareto of shape τ
                              e = |z_K| v - τ v² / 2             τ ≤ 0: exponential at 0, normal at -1

    so that a normal z has an x with that tail. Tails with τ ≤ 0 go on by 64 (1 + log(v / 64)) in the place of
    v beyond v = 64: any x has a finite z.

    Reference: Gregory, Delbourgo, *Piecewise rational quadratic interpolation to monotonic data*, IMA
    Journal of Numerical Analysis 2, 1982; Coles, *An Introduction to Statistical Modeling of Extreme
    Values*, 2001, chapter 4.

    Args:
        x: knots, (D, K), rising along each row; a row of fewer knots repeats its last one.
        z: their images, (D, K), the first below 0 and the last above 0.
        slopes: dz/dx at the knots, (D, K), positive.
        tails: τ of the lower and the upper tail, (D, 2).

    Raises:
        RheonError: shapes differ, or a row is not as said; from ``latent_shapes``, an event of another shape.

    With these two knots and normal tails the map is z = x / 2:

    >>> import torch
    >>> knots, slopes = torch.tensor([[-2.0, 2.0]]), torch.tensor([[0.5, 0.5]])
    >>> QuantileMap(knots, knots / 2, slopes, torch.tensor([[-1.0, -1.0]]))(torch.tensor([[1.0], [6.0]]))
    (tensor([[0.5000], [3.0000]]), tensor([-0.6931, -0.6931]))
    """

    x: Tensor
    z: Tensor
    slopes: Tensor
    tails: Tensor

    def __init__(self, x: Tensor, z: Tensor, slopes: Tensor, tails: Tensor) -> None:
        super().__init__()
        if x.dim() != 2 or x.shape[1] < 2 or not x.shape == z.shape == slopes.shape:
            raise RheonError(
                "QuantileMap: knots, images and slopes must be of one shape (D, K), K at least 2, got "
                f"{tuple(x.shape)}, {tuple(z.shape)} and {tuple(slopes.shape)}."
            )
        if tails.shape != (len(x), 2):
            raise RheonError(f"QuantileMap: tails must have shape {(len(x), 2)}, got {tuple(tails.shape)}.")
        sound = torch.stack([torch.isfinite(t).all() for t in (x, z, slopes, tails)]).all()
        together = (x.diff() > 0) == (z.diff() > 0)
        rising = ((x.diff() >= 0) & (z.diff() >= 0) & together).all() & (x[:, 1] > x[:, 0]).all()
        if not bool(sound & rising & (slopes > 0).all() & (z[:, 0] < 0).all() & (z[:, -1] > 0).all()):
            raise RheonError(
                "QuantileMap: knots and images must be finite and rise along each row, the images from below "
                "0 to above it; slopes must be positive."
            )
        self.register_buffer("x", x)
        self.register_buffer("z", z)
        self.register_buffer("slopes", slopes)
        self.register_buffer("tails", tails)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = _features_first(x)
        inside, bin_ = self._bin(x, self.x)
        xi = (inside - bin_.x0) / bin_.width
        z, log_slope = _rational_quadratic(bin_, xi)

        def tail(x: Tensor, side: Tensor, knot: Tensor, image: Tensor, slope: Tensor, tau: Tensor) -> Pair:
            t, log_dt = _tail((side * (x - knot)).clamp_min(0) * slope, image.abs(), tau)
            return side * t, slope.log() + log_dt

        z, log_slope = self._with_tails(x, inside, (z, log_slope), tail)
        return z.t(), log_slope.sum(0)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = _features_first(z)
        inside, bin_ = self._bin(z, self.z)
        eta = (inside - bin_.z0) / bin_.height
        bend = bin_.d1 + bin_.d0 - 2 * bin_.sigma
        a, b, c = bin_.sigma - bin_.d0 + eta * bend, bin_.d0 - eta * bend, -bin_.sigma * eta
        root = (b * b - 4 * a * c).clamp_min(0).sqrt()
        xi = (-2 * c / (b + root)).clamp(0, 1)
        x, log_slope = bin_.x0 + bin_.width * xi, _rational_quadratic(bin_, xi)[1]

        def tail(z: Tensor, side: Tensor, knot: Tensor, image: Tensor, slope: Tensor, tau: Tensor) -> Pair:
            image = image.abs()
            v = _tail_inverse((side * z).maximum(image), image, tau)
            return knot + side * v / slope, slope.log() + _tail(v, image, tau)[1]

        x, log_slope = self._with_tails(z, inside, (x, log_slope), tail)
        return x.t(), -log_slope.sum(0)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.x.shape[:1])
        return super().latent_shapes(event_shape)

    def _bin(self, at: Tensor, edges: Tensor) -> tuple[Tensor, _Bin]:
        """Values (D, B) kept inside, and the bin of each."""
        inside = at.clamp(edges[:, :1], edges[:, -1:])
        place = torch.searchsorted(edges[:, 1:-1].contiguous(), inside.detach(), right=True)
        # A value on the last knot of a row that repeats it falls into an empty bin, and is its left end.
        empty = self.x.diff() <= 0
        width, height = self.x.diff().masked_fill(empty, 1.0), self.z.diff().masked_fill(empty, 1.0)
        sigma, d0, d1 = height / width, self.slopes[:, :-1], self.slopes[:, 1:]
        bins = torch.stack((self.x[:, :-1], width, self.z[:, :-1], height, sigma, sigma.log(), d0, d1))
        return inside, _Bin(*bins.gather(2, place.expand(8, *place.shape)))

    def _with_tails(self, at: Tensor, inside: Tensor, curve: Pair, tail: Tail) -> Pair:
        """What is made of values (D, B): the curve of those inside, and beyond the outer knots the tails."""
        beyond = (at != inside).flatten()
        places = _true_ones(beyond)
        own = at.flatten()[places]
        upper = (own > inside.flatten()[places]).long()
        ends = torch.stack([t[:, :: t.shape[1] - 1] for t in (self.x, self.z, self.slopes, self.tails)])
        knot, image, slope, tau = ends.flatten(1)[:, 2 * (places // at.shape[1]) + upper]
        found = tail(own, (2 * upper - 1).to(at.dtype), knot, image, slope, tau)
        value, log_slope = (
            whole.flatten().scatter(0, places, torch.where(beyond[places], part, whole.flatten()[places]))
            for whole, part in zip(curve, found, strict=True)
        )
        return value.view(at.shape), log_slope.view(at.shape)

    def extra_repr(self) -> str:
        return f"{self.x.shape[0]}, knots={self.x.shape[1]}"


def _features_first(x: Tensor) -> Tensor:
    """(D, B): what follows runs along the batch, several times faster than along rows of a few numbers."""
    return x.t().contiguous()


def _true_ones(which: Tensor) -> Tensor:
    """The places where it is true; all, where something is traced whose shapes no value may decide."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch.arange(len(which), device=which.device)
    return which.nonzero()[:, 0]


def _rational_quadratic(bin_: _Bin, xi: Tensor) -> Pair:
    """z, log dz/dx at the share ξ of the bin's width."""
    sigma, d0, d1 = bin_.sigma, bin_.d0, bin_.d1
    square, eta = xi * xi, 1 - xi
    rest = xi * eta
    denominator = torch.addcmul(sigma, (d1 + d0).sub(sigma, alpha=2), rest)
    share = torch.addcmul(sigma * square, d0, rest) / denominator
    slope = torch.addcmul(torch.addcmul(d1 * square, sigma, rest, value=2), d0, eta * eta)
    # In pairs of the same size: neither the squares nor their quotient may leave the range of numbers.
    log_slope = ((slope / denominator) * (sigma / denominator)).log() + bin_.log_sigma
    return torch.addcmul(bin_.z0, bin_.height, share), log_slope


def _tail(v: Tensor, knot: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """|z| at the distance v ≥ 0 from a knot at |z| = ``knot``, and log d|z|/dv."""
    heavy, shape, bend = tau > 0, tau.clamp_min(torch.finfo(tau.dtype).tiny), (-tau).clamp_min(0)
    near = torch.where(heavy, v, v.clamp_max(_FAR))
    stretch = torch.where(heavy, torch.ones_like(v), (v / _FAR).clamp_min(1))
    short = near + _FAR * stretch.log()
    grown = shape * knot * v
    excess = torch.where(heavy, grown.log1p() / shape, knot * short + bend * short * short / 2)
    log_rate = torch.where(heavy, knot.log() - grown.log1p(), (knot + bend * short).log() - stretch.log())
    z = (knot * knot + 2 * excess).sqrt()
    return z, log_rate - z.log()


def _tail_inverse(z: Tensor, knot: Tensor, tau: Tensor) -> Tensor:
    """v ≥ 0 with |z| at that distance."""
    heavy, shape, bend = tau > 0, tau.clamp_min(torch.finfo(tau.dtype).tiny), (-tau).clamp_min(0)
    largest = 0.9 * torch.tensor(torch.finfo(z.dtype).max, dtype=z.dtype).log()
    excess = (z - knot) * (z + knot) / 2
    pareto = (shape * excess).clamp_max(largest).expm1() / (shape * knot)
    short = 2 * excess / (knot + (knot * knot + 2 * bend * excess).sqrt())
    light = torch.where(short <= _FAR, short, _FAR * (short / _FAR - 1).clamp_max(largest).exp())
    return torch.where(heavy, pareto, light)
