"""A rational-quadratic spline as one node of autograd's graph, with its derivative written out.

In the words of :class:`~rheon.elementwise.RationalQuadraticSpline`, with D the denominator of y, N the
numerator of (y - y_k) / h, S that of the slope over σ², ℓ = log dy/dx, and ȳ, ℓ̄ the derivatives of the loss:

    ξ̄ = ȳ h σ S / D² + ℓ̄ (S' / S - 2 D' / D)                                    ' = ∂/∂ξ
    σ̄ = ȳ h (ξ² D - N (1 - 2 ξ(1-ξ))) / D² + ℓ̄ (2/σ + 2 ξ(1-ξ) / S - 2 (1 - 2 ξ(1-ξ)) / D)
    δ̄_k = ȳ h ξ(1-ξ) (D - N) / D² + ℓ̄ ((1-ξ)² / S - 2 ξ(1-ξ) / D)
    δ̄_{k+1} = -ȳ h ξ(1-ξ) N / D² + ℓ̄ (ξ² / S - 2 ξ(1-ξ) / D)

The share of a bin's width moves the left knot of every bin to its right, and its own width.

In memory the parameter axis comes first, before batch and event in the order that ψ has them: then each of
some hundred small operations runs over one block, which takes a quarter of the time that it takes otherwise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

Plain = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Spline(NamedTuple):
    """The numbers of a spline: K, b, least bin and slope, and what ψ = 0 adds for a slope of 1."""

    bins: int
    bound: float
    min_bin: float
    min_slope: float
    offset: float


def suits(x: Tensor, params: Tensor) -> bool:
    """Whether one node serves: not where something else than autograd's backward pass looks into it."""
    return (
        x.dtype == params.dtype
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


class SplineNode(torch.autograd.Function):
    """x, ψ → y, log dy/dx, as ``plain`` computes it from the same arguments."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, params: Tensor, plain: Plain, spline: Spline) -> tuple[Tensor, Tensor]:
        axes = _axes(params)
        x_, psi = _laid_out(axes, x, params)
        inside = x_.abs() < spline.bound
        _, y0, pieces = _pieces(psi, spline, x_)
        y = torch.addcmul(y0, pieces.h, pieces.share).clamp_(-spline.bound, spline.bound)
        log_slope = (pieces.ratio * pieces.ratio).mul_(pieces.slope).log_()
        ctx.axes, ctx.plain, ctx.spline = axes, plain, spline
        ctx.save_for_backward(x, params, inside, *pieces)
        # 0 * log_slope, not 0: parameters that are no number must not give a density in the tails either.
        z, log_dy = torch.where(inside, y, x_), torch.where(inside, log_slope, 0 * log_slope)
        return _as_given(axes, z[0]), _as_given(axes, log_dy[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, params, inside, *pieces = ctx.saved_tensors
        if torch.is_grad_enabled() or torch._C._are_functorch_transforms_active():
            return (*_derived(ctx, x, params, grads), None, None)
        given = _laid_out(ctx.axes, *grads)
        return *_derivatives(ctx.axes, ctx.spline, inside, _Pieces(*pieces), *given), None, None


@torch.no_grad()
def back_to_x(
    y: Tensor, params: Tensor, by_y: Tensor, by_log_dy: Tensor, spline: Spline
) -> tuple[Tensor, Tensor, Tensor]:
    """x, and the derivatives by x and ψ from those by y and log dy/dx, with knots and pieces found once."""
    axes = _axes(params)
    y_, psi, *given = _laid_out(axes, y, params, by_y, by_log_dy)
    inside = y_.abs() < spline.bound
    x0, _, pieces = _pieces(psi, spline, y_, of_y=True)
    x = torch.where(inside, torch.addcmul(x0, pieces.w, pieces.xi).clamp_(-spline.bound, spline.bound), y_)
    return _as_given(axes, x[0]), *_derivatives(axes, spline, inside, pieces, *given)


class _Pieces(NamedTuple):
    """What the bin of each scalar is, and what its value and derivatives are made of; see :func:`_pieces`."""

    place: Tensor
    bin: Tensor
    before: Tensor
    after: Tensor
    first: Tensor
    last: Tensor
    shares_x: Tensor
    shares_y: Tensor
    w: Tensor
    h: Tensor
    d0: Tensor
    d1: Tensor
    raw0: Tensor
    raw1: Tensor
    sigma: Tensor
    xi: Tensor
    eta: Tensor
    rest: Tensor
    bend: Tensor
    denominator: Tensor
    slope: Tensor
    share: Tensor
    ratio: Tensor


def _pieces(psi: Tensor, spline: Spline, at: Tensor, of_y: bool = False) -> tuple[Tensor, Tensor, _Pieces]:
    """x_k, y_k and the rest from ψ, parameter axis first, where ``at`` is x, or y if ``of_y``."""
    bins, bound, min_bin, min_slope, offset = spline
    at = at.clamp(-bound, bound)
    shares_x, shares_y = psi[:bins].softmax(0), psi[bins : 2 * bins].softmax(0)
    raw = psi[2 * bins :]
    # In the plain computation's order, so that its inverse meets the same knots to the bit.
    edges_x, edges_y = (
        (min_bin + (1 - min_bin * bins) * shares).cumsum(0).mul_(2 * bound).sub_(bound)
        for shares in (shares_x, shares_y)
    )
    edges_x[-1] = edges_y[-1] = bound
    inner = (edges_y if of_y else edges_x)[:-1]
    place = torch.ge(at, inner, out=torch.empty_like(inner)).sum(0, keepdim=True)
    index = place.long()
    before, after = (index - 1).clamp_min_(0), index.clamp(max=bins - 2)
    first, last = index == 0, index == bins - 1
    x0 = edges_x.gather(0, before).masked_fill_(first, -bound)
    y0 = edges_y.gather(0, before).masked_fill_(first, -bound)
    w = edges_x.gather(0, index).sub_(x0)
    h = edges_y.gather(0, index).sub_(y0)
    raw0 = raw.gather(0, before).masked_fill_(first, 0.0).add_(offset)
    raw1 = raw.gather(0, after).masked_fill_(last, 0.0).add_(offset)
    d0 = functional.softplus(raw0).add_(min_slope)
    d1 = functional.softplus(raw1).add_(min_slope)
    sigma = h / w
    bend = (d1 + d0).sub_(sigma, alpha=2)
    share = (at - y0).div_(h) if of_y else None
    xi = (at - x0).div_(w) if share is None else _root(share, sigma, d0, bend)
    eta = 1 - xi
    rest = xi * eta
    denominator = torch.addcmul(sigma, bend, rest)
    slope = (d1 * xi).mul_(xi).addcmul_(sigma, rest, value=2).addcmul_(d0 * eta, eta)
    if share is None:
        share = (sigma * xi).mul_(xi).addcmul_(d0, rest).div_(denominator)
    ratio = sigma / denominator
    return (
        *(x0, y0),
        _Pieces(
            *(place, index, before, after, first, last, shares_x, shares_y, w, h, d0, d1, raw0, raw1),
            *(sigma, xi, eta, rest, bend, denominator, slope, share, ratio),
        ),
    )


def _root(share: Tensor, sigma: Tensor, d0: Tensor, bend: Tensor) -> Tensor:
    """ξ of the share of a bin's height, the root of a ξ² + b ξ + c in the form that does not cancel."""
    bent = share * bend
    b, c2 = d0 - bent, (sigma * share).mul_(2)  # c2 = -2 c
    a = (sigma - d0).add_(bent)
    root = (b * b).addcmul_(a, c2, value=2).clamp_min_(0).sqrt_()
    return c2.div_(root.add_(b)).clamp_(0, 1)


def _derivatives(
    axes: list[int], spline: Spline, inside: Tensor, pieces: _Pieces, *given: Tensor
) -> tuple[Tensor, Tensor]:
    """x̄ and ψ̄ from ȳ and ℓ̄."""
    bins, bound, min_bin = spline[:3]
    place, index, before, after, first, last, shares_x, shares_y, w, h, d0, d1, raw0, raw1 = pieces[:14]
    sigma, xi, eta, rest, bend, denominator, slope, share, ratio = pieces[14:]
    by_y, by_l = (torch.where(inside, g, 0.0) for g in given)
    turn, curved = eta - xi, 1 - 2 * rest
    by_y_h = by_y * h / denominator
    l_slope, l_den = by_l / slope, 2 * by_l / denominator
    slope_xi = (d1 * xi).addcmul_(sigma, turn).sub_(d0 * eta)
    by_xi = (by_y_h * ratio).mul_(slope).addcmul_(l_slope, slope_xi, value=2).sub_(l_den * bend * turn)
    by_sigma = (xi * xi).addcmul_(share, curved, value=-1).mul_(by_y_h).add_(by_l / sigma, alpha=2)
    by_sigma.addcmul_(l_slope, rest, value=2).addcmul_(l_den, curved, value=-1)
    common, bent = l_den * rest, by_y_h * rest
    by_d0 = (1 - share).mul_(bent).addcmul_(l_slope * eta, eta).sub_(common)
    by_d1 = (l_slope * xi).mul_(xi).sub_(common).addcmul_(bent, share, value=-1)
    by_x = by_xi / w
    by_w = (by_x * xi).addcdiv_(by_sigma * sigma, w).neg_()
    by_h = (by_y * share).addcdiv_(by_sigma, w)
    psi_grad = w.new_empty(3 * bins - 1, *w.shape[1:])
    by_widths, by_heights, by_raw = psi_grad.split((bins, bins, bins - 1))
    span = 2 * bound * (1 - min_bin * bins)
    numbers = torch.arange(bins, dtype=w.dtype, device=w.device).view(-1, *(1,) * len(axes))
    left = (place - numbers).clamp_(0, 1)
    for out, shares, by_left, by_own in (
        (by_widths, shares_x, -by_x, by_w),
        (by_heights, shares_y, by_y, by_h),
    ):
        by_share = (left * by_left).scatter_add_(0, index, by_own).mul_(shares)
        torch.addcmul(by_share, shares, by_share.sum(0, keepdim=True), value=-1, out=out).mul_(span)
    by_raw.zero_().scatter_add_(0, before, raw0.sigmoid().mul_(by_d0).masked_fill_(first, 0.0))
    by_raw.scatter_add_(0, after, raw1.sigmoid().mul_(by_d1).masked_fill_(last, 0.0))
    return _as_given(axes, torch.where(inside, by_x, given[0])[0]), _as_given(axes, psi_grad)


def _axes(params: Tensor) -> list[int]:
    """The axes of the batch and of the event as they lie in memory, slowest first."""
    axes = sorted((0, *range(2, params.dim())), key=params.stride, reverse=True)
    return [axis - (axis > 0) for axis in axes]


def _laid_out(axes: list[int], *tensors: Tensor) -> list[Tensor]:
    """The parameter axis first, of length 1 where a tensor has none, then batch and event in this order."""
    order = [0, *(axis + 1 for axis in axes)]
    first = (t.unsqueeze(0) if t.dim() == len(axes) else t.movedim(1, 0) for t in tensors)
    return [t.permute(order).contiguous() for t in first]


def _as_given(axes: list[int], laid_out: Tensor) -> Tensor:
    """From the order of ``axes`` back to batch and event, and a parameter axis second."""
    back = [axes.index(axis) for axis in range(len(axes))]
    if laid_out.dim() == len(axes):
        return laid_out.permute(back)
    return laid_out.permute(0, *(axis + 1 for axis in back)).movedim(0, 1)


def _derived(ctx: Any, x: Tensor, params: Tensor, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
    """The derivatives by the plain computation, which can be derived in turn."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        outputs = ctx.plain(x, params)
    wanted = [t for t, need in zip((x, params), ctx.needs_input_grad, strict=False) if need]
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=again, allow_unused=True))
    return [next(found) if need else None for need in ctx.needs_input_grad[:2]]
