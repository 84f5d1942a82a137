"""The map of levels as one node: the masses of a mixture of logistics left of, inside and right of a cell.

    l = Σ_i π_i σ(a_i)    m = Σ_i π_i (σ(b_i) - σ(a_i))    r = Σ_i π_i σ(-b_i)    l + m + r = 1
    a_i = (lower - μ_i) / s_i    b_i = (upper - μ_i) / s_i

Each is a sum of positive terms, σ(b) - σ(a) = σ(b) σ(-a) (1 - e^{a - b}), so none loses its digits to the
others. Tensors are (…, G, C, N): of several pixels the colours, which are told one after the other, N times.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BEYOND = 1e6
"""Where the first level's cell begins and the last one's ends: they hold what the tails leave."""


class Levels(NamedTuple):
    """The ``number`` of levels, K, the share ``floor``, the means ``spread`` at ψ = 0, and log s, which lies
    smoothly between ``low`` and ``high``, and at ``start`` for ψ = 0.
    """

    number: int
    components: int
    floor: float
    spread: tuple[float, ...]
    low: float
    high: float
    start: float

    def centred(self, x: Tensor) -> Tensor:
        """[0, levels] → [-1, 1]."""
        return x * (2 / self.number) - 1

    def floored(self, mass: Tensor, cells: Tensor | float = 1.0) -> Tensor:
        """With its part of what is spread evenly, that of so many cells."""
        return mass * (1 - self.floor) + cells * (self.floor / self.number)

    def means(self, psi: Tensor) -> Tensor:
        n = self.components
        return psi[n : 2 * n] + psi.new_tensor(self.spread)[:, None, None, None]

    def scales(self, psi: Tensor) -> tuple[Tensor, Tensor]:
        """1/s, and the sigmoid σ that bounds log s = high σ + low (1 - σ)."""
        n, reach = self.components, self.high - self.low
        begin = torch.logit(torch.tensor((self.start - self.low) / reach, dtype=torch.float64))
        # The slope of log s is 1 at its middle, as of ψ itself.
        bounded = torch.add(begin.to(psi), psi[2 * n : 3 * n], alpha=4 / reach).sigmoid_()
        return torch.add(psi.new_tensor(-self.low), bounded, alpha=-reach).exp_(), bounded


class Parts(NamedTuple):
    """Of every component (K, G, C, N): 1/s and what bounds log s, a and b with the slopes of σ there, σ(a),
    σ(b) - σ(a) and σ(-b).
    """

    inverse: Tensor
    bounded: Tensor
    a: Tensor
    b: Tensor
    slope_a: Tensor
    slope_b: Tensor
    below: Tensor
    between: Tensor
    above: Tensor


def parts_of(k: Tensor, psi: Tensor, shift: Tensor, levels: Levels) -> Parts:
    """What the components give the cells of levels k, (G, C, N)."""
    inverse, bounded = levels.scales(psi)
    means = levels.means(psi)
    lower = levels.centred(k).masked_fill_(k == 0, -_BEYOND) - shift
    upper = levels.centred(k + 1).masked_fill_(k == levels.number - 1, _BEYOND) - shift
    a, b = (lower - means).mul_(inverse), (upper - means).mul_(inverse)
    below, not_below = a.sigmoid(), (-a).sigmoid_()
    not_above, above = b.sigmoid(), (-b).sigmoid_()
    between = (a - b).expm1_().neg_().mul_(not_above).mul_(not_below)
    slope_a, slope_b = not_below.mul_(below), not_above.mul_(above)
    return Parts(inverse, bounded, a, b, slope_a, slope_b, below, between, above)


def masses(k: Tensor, pi: Tensor, parts: Parts, levels: Levels) -> tuple[Tensor, Tensor, Tensor]:
    """F(k), P(k) and 1 - F(k + 1), (G, C, N)."""
    left, inside, right = ((pi * part).sum(0) for part in (parts.below, parts.between, parts.above))
    return (
        levels.floored(left, k),
        levels.floored(inside),
        levels.floored(right, levels.number - 1 - k),
    )


def to_normal(x: Tensor, psi: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """x (G, C, N), ψ (3K + C, G, C, N) → y = Φ⁻¹(F̃(x)), NaN where x is off the levels, and log P(k)."""
    y, log_mass = _ToNormal.apply(x, psi, levels)
    return y, log_mass


class _ToNormal(torch.autograd.Function):
    """One node in place of hundreds: the passes over K numbers a scalar are what a mixture costs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, psi: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        n = levels.components
        k = x.floor().clamp_(0, levels.number - 1)
        f = within(x - k).masked_fill_(((x >= 0) & (x <= levels.number)).logical_not_(), math.nan)
        place, coefficients = psi[3 * n], psi[3 * n + 1 :]
        distance, shift = levels.centred(k + 0.5).sub_(place), place.clone()
        for j in range(len(coefficients)):
            shift[:, j + 1 :].addcmul_(coefficients[j, :, j + 1 :], distance[:, j : j + 1])
        parts = parts_of(k, psi, shift, levels)
        each, logits = levels.floored(parts.between[:, :, :-1]), psi[:n].clone()
        for j, told in enumerate(each.log().unbind(2)):
            logits[:, :, j + 1 :] += told.unsqueeze(2)
        pi = logits.softmax(0)
        left, inside, right = masses(k, pi, parts, levels)
        mass, double = inside.double(), f.double()
        below, above = left + double * mass, right + (1 - double) * mass
        lower = below < above
        y = torch.special.ndtri(torch.where(lower, below, above)).to(x.dtype)
        y = torch.where(lower, y, -y)
        ctx.levels = levels
        ctx.save_for_backward(x, psi, k, f, distance, pi, each, inside, lower, y, *parts)
        return y, inside.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_y: Tensor, to_log_mass: Tensor) -> tuple[Tensor, Tensor, None]:
        levels: Levels = ctx.levels
        x, psi, k, f, distance, pi, each, inside, lower, y, *rest = ctx.saved_tensors
        parts, n, keep = Parts(*rest), levels.components, 1 - levels.floor
        grad = torch.empty_like(psi)
        logits, means, log_scales, places = grad.split((n, n, n, len(psi) - 3 * n))
        to_inside = to_log_mass / inside
        if torch.compiler.is_compiling() or to_y.any():
            # dy = du / φ(y), where u is the smaller of Φ(y) = l + f m and -(1 - Φ(y)) = -r - (1 - f) m.
            to_u = to_y * (0.5 * y * y).exp() * math.sqrt(2 * math.pi)
            to_x = to_u * inside * (x - k == f)
            to_inside = keep * (to_inside + to_u * torch.where(lower, f, f - 1))
            to_left, to_right = keep * to_u * lower, -keep * to_u * ~lower
            torch.mul(parts.between, to_inside, out=logits)
            logits.addcmul_(parts.below, to_left).addcmul_(parts.above, to_right).mul_(pi)
            to_a, to_b = pi * (to_left - to_inside), pi * (to_inside - to_right)
        else:  # as under a normal base, whose slope and that of log dy/dx add up to 0
            to_x = torch.zeros_like(x)
            to_b = pi * to_inside.mul_(keep)
            to_a = -to_b
            torch.mul(parts.between, to_b, out=logits)
        logits.addcmul_(pi, logits.sum(0), value=-1)
        later = torch.zeros_like(logits[:, :, 0])  # through the weights of later colours
        for j in reversed(range(each.shape[2])):
            later += logits[:, :, j + 1]
            told = keep * later / each[:, :, j]
            to_a[:, :, j] -= told
            to_b[:, :, j] += told
        to_a *= parts.slope_a
        to_b *= parts.slope_b
        # ∂ log s/∂ψ = 4 σ (1 - σ), and a and b go with 1/s.
        torch.mul(to_a, parts.a, out=log_scales)
        log_scales.addcmul_(to_b, parts.b).mul_(
            (4 * parts.bounded).addcmul_(parts.bounded, parts.bounded, value=-4).neg_()
        )
        torch.add(to_a, to_b, out=means)
        means.mul_(parts.inverse).neg_()
        to_shift = means.sum(0)
        places.zero_()
        places[0] = to_shift
        for j, coefficients in enumerate(psi[3 * n + 1 :]):
            places[1 + j, :, j + 1 :] = to_shift[:, j + 1 :] * distance[:, j : j + 1]
            places[0, :, j] -= (to_shift * coefficients)[:, j + 1 :].sum(1)
        return to_x, grad, None


def within(f: Tensor) -> Tensor:
    """f in [0, 1], a last place or so off 0 and 1, where y may be infinite."""
    least = torch.finfo(f.dtype).eps
    return f.clamp(least, 1 - least)
