"""z = Φ⁻¹(F(x)) per feature, with a smooth F: the map of a column to the normal distribution."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rheon.bijections.base import Bijection, check_event
from rheon.errors import RheonError

_FAR = 64.0
"""Distance from the outer knots, in standard deviations, from which light tails go on by a logarithm."""


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
        x0, width, z0, height, d0, d1, inside = self._bin(x, self.x)
        sigma, xi = height / width, (inside - x0) / width
        rest = xi * (1 - xi)
        denominator = sigma + (d1 + d0 - 2 * sigma) * rest
        z = z0 + height * (sigma * xi * xi + d0 * rest) / denominator
        log_slope = _log_slope(sigma, d0, d1, xi, rest, denominator)
        for side, end in ((-1, 0), (1, -1)):
            knot, image, slope = self.x[:, end], self.z[:, end], self.slopes[:, end]
            beyond = side * (x - knot) > 0
            t, log_dt = _tail((side * (x - knot)).clamp_min(0) * slope, image.abs(), self.tails[:, end])
            z = torch.where(beyond, side * t, z)
            log_slope = torch.where(beyond, slope.log() + log_dt, log_slope)
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x0, width, z0, height, d0, d1, inside = self._bin(z, self.z)
        sigma, eta = height / width, (inside - z0) / height
        bend = d1 + d0 - 2 * sigma
        a, b, c = sigma - d0 + eta * bend, d0 - eta * bend, -sigma * eta
        root = (b * b - 4 * a * c).clamp_min(0).sqrt()
        xi = (-2 * c / (b + root)).clamp(0, 1)
        rest = xi * (1 - xi)
        x = x0 + width * xi
        log_slope = _log_slope(sigma, d0, d1, xi, rest, sigma + bend * rest)
        for side, end in ((-1, 0), (1, -1)):
            knot, image, slope = self.x[:, end], self.z[:, end], self.slopes[:, end]
            beyond = side * (z - image) > 0
            v = _tail_inverse((side * z).maximum(image.abs()), image.abs(), self.tails[:, end])
            x = torch.where(beyond, knot + side * v / slope, x)
            _, log_dt = _tail(v, image.abs(), self.tails[:, end])
            log_slope = torch.where(beyond, slope.log() + log_dt, log_slope)
        return x, -log_slope.sum(1)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.x.shape[:1])
        return super().latent_shapes(event_shape)

    def _bin(self, at: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
        """Left knot, width, image, height, the two slopes of each value's bin; the value kept inside."""
        columns = at.t().clamp(edges[:, :1], edges[:, -1:]).contiguous()  # (D, B)
        low = torch.searchsorted(edges[:, 1:-1].contiguous(), columns.detach(), right=True)
        knots = torch.stack((self.x, self.z, self.slopes))
        left = knots.gather(2, low.expand(3, *low.shape)).transpose(1, 2)
        right = knots.gather(2, (low + 1).expand(3, *low.shape)).transpose(1, 2)
        # A value on the last knot of a row that repeats it falls into an empty bin, whose result is not used.
        width, height = right[0] - left[0], right[1] - left[1]
        empty = width <= 0
        width, height = width.masked_fill(empty, 1.0), height.masked_fill(empty, 1.0)
        return left[0], width, left[1], height, left[2], right[2], columns.t()

    def extra_repr(self) -> str:
        return f"{self.x.shape[0]}, knots={self.x.shape[1]}"


def _log_slope(sigma: Tensor, d0: Tensor, d1: Tensor, xi: Tensor, rest: Tensor, denom: Tensor) -> Tensor:
    slope = d1 * xi * xi + 2 * sigma * rest + d0 * (1 - xi) * (1 - xi)
    return 2 * sigma.log() + slope.log() - 2 * denom.log()


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
