"""The masses of a mixture of logistics left of, inside and right of a cell, and their derivatives.

    l = Σ_i π_i σ(a_i)    m = Σ_i π_i (σ(b_i) - σ(a_i))    r = Σ_i π_i σ(-b_i)    l + m + r = 1
    a_i = (lower - μ_i) / s_i    b_i = (upper - μ_i) / s_i

Each is a sum of positive terms, σ(b) - σ(a) = σ(b) σ(-a) (1 - e^{a - b}), so none loses its digits to the
others.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Scales(NamedTuple):
    """log s lies smoothly between ``low`` and ``high``, and at ``start`` for parameter 0."""

    low: float
    high: float
    start: float


def mixture(psi: Tensor, spread: Tensor, scales: Scales) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """π, μ, 1/s and the tanh that bounds log s, (K, N) each, from ψ (3K, N) and the means (K, 1) at ψ = 0."""
    logits, means, log_scales = psi.chunk(3)
    middle, reach = (scales.low + scales.high) / 2, (scales.high - scales.low) / 2
    bounded = (log_scales / reach).add_(math.atanh((scales.start - middle) / reach)).tanh_()
    return logits.softmax(0), means + spread, bounded.mul(-reach).sub_(middle).exp_(), bounded


def cells(
    lower: Tensor, upper: Tensor, psi: Tensor, spread: Tensor, scales: Scales
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """l, m and r, (1, N) each, of cells [lower, upper], (1, N) each, and m of every component, (K, N)."""
    left, inside, right, each = _Cells.apply(lower, upper, psi, spread, scales)
    return left, inside, right, each


class _Cells(torch.autograd.Function):
    """One node in place of some forty: the passes over K numbers a scalar are what a mixture costs."""

    @staticmethod
    def forward(
        ctx: Any, lower: Tensor, upper: Tensor, psi: Tensor, spread: Tensor, scales: Scales
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pi, mu, inverse, bounded = mixture(psi, spread, scales)
        a, b = (lower - mu).mul_(inverse), (upper - mu).mul_(inverse)
        below, not_below = a.sigmoid(), (-a).sigmoid_()
        not_above, above = b.sigmoid(), (-b).sigmoid_()
        between = (a - b).expm1_().neg_().mul_(not_above).mul_(not_below)
        ctx.save_for_backward(pi, inverse, bounded, a, b, below, not_below, not_above, above, between)
        ctx.set_materialize_grads(False)
        left, inside, right = ((pi * part).sum(0, keepdim=True) for part in (below, between, above))
        return left, inside, right, between

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        pi, inverse, bounded, a, b, below, not_below, not_above, above, between = ctx.saved_tensors
        none = pi.new_zeros(1, pi.shape[1])
        left, inside, right = (none if given is None else given for given in gradients[:3])
        each = gradients[3]
        weights = (below * left).addcmul_(between, inside).addcmul_(above, right).mul_(pi)
        weights -= pi * weights.sum(0, keepdim=True)
        to_a = (below * not_below).mul_(pi).mul_(left - inside)
        to_b = (above * not_above).mul_(pi).mul_(inside - right)
        if each is not None:
            to_a -= (below * not_below).mul_(each)
            to_b += (above * not_above).mul_(each)
        # ∂ log s/∂ψ = 1 - tanh², and a and b go with 1/s.
        log_scales = (to_a * a).addcmul_(to_b, b).mul_((bounded * bounded).sub_(1))
        to_a *= inverse
        to_b *= inverse
        means = (to_a + to_b).neg_()
        to_lower = to_a.sum(0, keepdim=True) if ctx.needs_input_grad[0] else None
        to_upper = to_b.sum(0, keepdim=True) if ctx.needs_input_grad[1] else None
        return to_lower, to_upper, torch.cat((weights, means, log_scales)), None, None
