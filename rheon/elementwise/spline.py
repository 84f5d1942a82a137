"""Rational-quadratic splines: K monotone pieces on [-b, b], the identity outside."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from rheon.elementwise.base import Elementwise
from rheon.elementwise.spline_node import Spline, SplineNode, back_to_x, suits
from rheon.errors import RheonError


class RationalQuadraticSpline(Elementwise):
    """A monotone rational-quadratic spline with K bins on [-b, b] and linear tails, ψ in R^(3K-1).

    ψ holds K bin widths and K bin heights (softmax, at least ``min_bin`` of the interval each) and the K - 1
    inner slopes δ (softplus, at least ``min_slope``); the slopes at ±b are 1, where the tails begin. In
    bin k, with ξ = (x - x_k) / w_k, σ = h_k / w_k:

        y       = y_k + h_k (σ ξ² + δ_k ξ(1-ξ)) / (σ + (δ_{k+1} + δ_k - 2σ) ξ(1-ξ))
        dy/dx   = σ² (δ_{k+1} ξ² + 2σ ξ(1-ξ) + δ_k (1-ξ)²) / (σ + (δ_{k+1} + δ_k - 2σ) ξ(1-ξ))²

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        bins: K.
        bound: b, in units of x (data should be standardised).

    Raises:
        RheonError: ``bins`` is below 2, or too many for ``min_bin``; ``bound`` is not positive and finite.

    With bins of equal width and heights as 1 to 3, the knot at 0 goes to -½ (but for ``min_bin``); 5 is in
    the tail.

    >>> import torch
    >>> from rheon.elementwise import RationalQuadraticSpline
    >>> psi = torch.tensor([1.0, 1.0, 1.0, 3.0, 1.0]).log().view(1, 5, 1).expand(2, 5, 1)
    >>> y, log_dy = RationalQuadraticSpline(bins=2, bound=1.0)(torch.tensor([[0.0], [5.0]]), psi)
    >>> y.flatten()
    tensor([-0.4990,  5.0000])
    """

    min_bin = 1e-3
    min_slope = 1e-3

    def __init__(self, bins: int = 8, bound: float = 5.0) -> None:
        super().__init__()
        if bins < 2 or bins * self.min_bin >= 1:
            raise RheonError(
                f"RationalQuadraticSpline: bins must be from 2 to {round(1 / self.min_bin) - 1}, got {bins}."
            )
        if isinstance(bound, bool) or not 0 < bound < float("inf"):
            raise RheonError(f"RationalQuadraticSpline: bound must be positive and finite, got {bound}.")
        self.bins, self.bound = bins, bound
        self.num_params = 3 * bins - 1
        # softplus(0 + offset) = 1 - min_slope: with ψ = 0 all slopes are 1 and the spline is the identity.
        self._slope_offset = math.log(math.expm1(1 - self.min_slope))

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        if suits(x, params):
            y, log_slope = SplineNode.apply(x, params, self.plain, self._numbers)
            return y, log_slope
        return self.plain(x, params)

    def plain(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """``forward``, one operation after the other."""
        # Clamped before the spline, so that the branch not taken in `where` has a finite gradient too.
        inside = x.clamp(-self.bound, self.bound)
        knots_x, knots_y, slopes = self._knots(params)
        x0, width, y0, height, d0, d1 = _bin(inside, knots_x, knots_x, knots_y, slopes)
        sigma = height / width
        xi = (inside - x0) / width
        rest = xi * (1 - xi)
        denominator = sigma + (d1 + d0 - 2 * sigma) * rest
        y = y0 + height * (sigma * xi * xi + d0 * rest) / denominator
        slope = d1 * xi * xi + 2 * sigma * rest + d0 * (1 - xi) * (1 - xi)
        log_slope = 2 * sigma.log() + slope.log() - 2 * denominator.log()
        return self._with_tails(x, y, log_slope)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        inside = y.clamp(-self.bound, self.bound)
        knots_x, knots_y, slopes = self._knots(params)
        x0, width, y0, height, d0, d1 = _bin(inside, knots_y, knots_x, knots_y, slopes)
        sigma = height / width
        eta = (inside - y0) / height
        bend = d1 + d0 - 2 * sigma
        # ξ solves a ξ² + b ξ + c = 0; this form of the root does not cancel.
        a = sigma - d0 + eta * bend
        b = d0 - eta * bend
        c = -sigma * eta
        root = (b * b - 4 * a * c).clamp_min(0).sqrt()
        xi = (-2 * c / (b + root)).clamp(0, 1)
        rest = xi * (1 - xi)
        denominator = sigma + bend * rest
        slope = d1 * xi * xi + 2 * sigma * rest + d0 * (1 - xi) * (1 - xi)
        log_slope = 2 * sigma.log() + slope.log() - 2 * denominator.log()
        return self._with_tails(y, x0 + width * xi, -log_slope)

    def back(
        self, y: Tensor, params: Tensor, by_y: Tensor, by_log_dy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As inverse and derivative, but bins are looked for and their knots computed once."""
        if suits(y, params):
            return back_to_x(y, params, by_y, by_log_dy, self._numbers)
        return super().back(y, params, by_y, by_log_dy)

    @property
    def _numbers(self) -> Spline:
        return Spline(self.bins, self.bound, self.min_bin, self.min_slope, self._slope_offset)

    def _knots(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ψ → x knots, y knots, slopes at the knots, each (B, K+1, …)."""
        widths, heights, slopes = params.split((self.bins, self.bins, self.bins - 1), 1)
        inner = self.min_slope + functional.softplus(slopes + self._slope_offset)
        one = torch.ones_like(inner[:, :1])
        return self._edges(widths), self._edges(heights), torch.cat((one, inner, one), 1)

    def _edges(self, raw: Tensor) -> Tensor:
        shares = self.min_bin + (1 - self.min_bin * self.bins) * raw.softmax(1)
        inner = shares[:, :-1].cumsum(1) * (2 * self.bound) - self.bound
        end = torch.full_like(inner[:, :1], self.bound)
        return torch.cat((-end, inner, end), 1)

    def _with_tails(self, x: Tensor, y: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
        within = x.abs() < self.bound
        # 0 * log_slope, not 0: parameters that are no number must not give a density in the tails either.
        return torch.where(within, y, x), torch.where(within, log_slope, 0 * log_slope)

    def extra_repr(self) -> str:
        return f"bins={self.bins}, bound={self.bound}"


def _bin(at: Tensor, edges: Tensor, knots_x: Tensor, knots_y: Tensor, slopes: Tensor) -> tuple[Tensor, ...]:
    """Left knot, width, lower knot, height and the two slopes of the bin that ``at`` falls into."""
    index = (at.unsqueeze(1) >= edges[:, 1:-1]).sum(1, keepdim=True)
    low = torch.stack((knots_x, knots_y, slopes)).gather(2, index.expand(3, *index.shape)).squeeze(2)
    high = torch.stack((knots_x, knots_y, slopes)).gather(2, (index + 1).expand(3, *index.shape)).squeeze(2)
    return low[0], high[0] - low[0], low[1], high[1] - low[1], low[2], high[2]
