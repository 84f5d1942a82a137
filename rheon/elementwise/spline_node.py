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
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

Plain = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


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
    def forward(
        ctx: Any, x: Tensor, params: Tensor, plain: Plain, spline: tuple[int, float, float, float, float]
    ) -> tuple[Tensor, Tensor]:
        bins, bound, min_bin, min_slope, offset = spline
        # The axes of the batch and of the event as they lie in memory, after that of the parameters.
        axes = sorted((0, *range(2, params.dim())), key=params.stride, reverse=True)
        ctx.axes = axes = [axis - (axis > 0) for axis in axes]
        x_ = x.permute(axes).contiguous().unsqueeze(0)
        psi = params.movedim(1, 0).permute(0, *(axis + 1 for axis in axes)).contiguous()
        shares_x, shares_y = psi[:bins].softmax(0), psi[bins : 2 * bins].softmax(0)
        raw = psi[2 * bins :]
        inside = x_.abs() < bound
        at = x_.clamp(-bound, bound)
        # In the plain computation's order, so that its inverse meets the same knots to the bit.
        edges_x, edges_y = (
            (min_bin + (1 - min_bin * bins) * shares).cumsum(0).mul_(2 * bound).sub_(bound)
            for shares in (shares_x, shares_y)
        )
        edges_x[-1] = edges_y[-1] = bound
        passed = torch.empty_like(edges_x[:-1])
        place = torch.ge(at, edges_x[:-1], out=passed).sum(0, keepdim=True)
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
        xi = (at - x0).div_(w)
        eta = 1 - xi
        rest = xi * eta
        bend = (d1 + d0).sub_(sigma, alpha=2)
        denominator = torch.addcmul(sigma, bend, rest)
        slope = (d1 * xi).mul_(xi).addcmul_(sigma, rest, value=2).addcmul_(d0 * eta, eta)
        share = (sigma * xi).mul_(xi).addcmul_(d0, rest).div_(denominator)
        ratio = sigma / denominator
        log_slope = (ratio * ratio).mul_(slope).log_()
        y = torch.addcmul(y0, h, share).clamp_(-bound, bound)
        ctx.plain, ctx.numbers = plain, (bins, bound, min_bin)
        ctx.save_for_backward(x, params)
        ctx.kept = (
            *(inside, place, index, before, after, first, last, shares_x, shares_y, w, h, d0, d1, raw0, raw1),
            *(sigma, xi, eta, rest, bend, denominator, slope, share, ratio),
        )
        back = [axes.index(axis) for axis in range(x.dim())]
        # 0 * log_slope, not 0: parameters that are no number must not give a density in the tails either.
        z, log_dy = torch.where(inside, y, x_), torch.where(inside, log_slope, 0 * log_slope)
        return z[0].permute(back), log_dy[0].permute(back)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, params = ctx.saved_tensors
        if torch.is_grad_enabled() or torch._C._are_functorch_transforms_active():
            return (*_derived(ctx, x, params, grads), None, None)
        bins, bound, min_bin = ctx.numbers
        inside, place, index, before, after, first, last, shares_x, shares_y, w, h, d0, d1 = ctx.kept[:13]
        raw0, raw1, sigma, xi, eta, rest, bend, denominator, slope, share, ratio = ctx.kept[13:]
        given = [g.permute(ctx.axes).unsqueeze(0) for g in grads]
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
        psi_grad = torch.zeros((3 * bins - 1, *w.shape[1:]), dtype=x.dtype, device=x.device)
        by_widths, by_heights, by_raw = psi_grad.split((bins, bins, bins - 1))
        span = 2 * bound * (1 - min_bin * bins)
        numbers = torch.arange(bins, dtype=x.dtype, device=x.device).view(-1, *(1,) * x.dim())
        left = (place - numbers).clamp_(0, 1)
        for out, shares, by_left, by_own in (
            (by_widths, shares_x, -by_x, by_w),
            (by_heights, shares_y, by_y, by_h),
        ):
            by_share = (left * by_left).scatter_add_(0, index, by_own).mul_(shares)
            torch.addcmul(by_share, shares, by_share.sum(0, keepdim=True), value=-1, out=out).mul_(span)
        by_raw.scatter_add_(0, before, raw0.sigmoid().mul_(by_d0).masked_fill_(first, 0.0))
        by_raw.scatter_add_(0, after, raw1.sigmoid().mul_(by_d1).masked_fill_(last, 0.0))
        back = [ctx.axes.index(axis) for axis in range(x.dim())]
        by_params = psi_grad.permute(0, *(axis + 1 for axis in back)).movedim(0, 1)
        return torch.where(inside, by_x, given[0])[0].permute(back), by_params, None, None


def _derived(ctx: Any, x: Tensor, params: Tensor, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
    """The derivatives by the plain computation, which can be derived in turn."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        outputs = ctx.plain(x, params)
    wanted = [t for t, need in zip((x, params), ctx.needs_input_grad, strict=False) if need]
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=again, allow_unused=True))
    return [next(found) if need else None for need in ctx.needs_input_grad[:2]]
