"""The gradient of log p, which training follows: against differences, and in the flow's own dtype."""

import copy
import math

import torch
from torch import Tensor

from rheon.evaluation.compare import apart_nats, double
from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.subject import Subject
from rheon.flow import Flow


def gradients(s: Subject) -> list[Check]:
    """The slope of Σ log p, by x and all weights, is a difference quotient's, and the same in the own dtype.

    Layers whose derivative is written by hand may take another way where a gradient is wanted, perhaps in one
    dtype alone: neither log p nor its gradient may notice.
    """
    quotients = _Quotients(s)
    x, context = quotients.x, quotients.context
    if not len(x):
        return [skipped("gradient of log p", "log p has a difference quotient at none of the rows")]
    _, slopes = _slopes(s.flow, x, context)
    off, what = quotients.off(slopes), "beside difference quotients, relative, float64"
    if quotients.left_out:
        what += f"; {quotients.left_out} rows left out, where they do not settle"
    found = [measured("gradient of log p", off, 1e-4, what)]
    dtype, device = s.own.base.dtype, s.own.base.device
    if dtype == torch.float64:
        return found
    own_context = None if context is None else context.to(device, dtype)
    own_value, own_slopes = _slopes(s.own, x.to(device, dtype), own_context)
    # What float64 gets from the rounded rows, so that only the arithmetic differs.
    rounded = double(x.to(dtype)), None if context is None else double(context.to(dtype))
    value, slopes = _slopes(s.flow, *rounded)
    pairs = list(zip(own_slopes, slopes, strict=True))
    size = max(float(slope.norm()) for slope in slopes)
    off = max(
        float((double(own) - slope).norm()) / (float(slope.norm()) + 1e-3 * size) for own, slope in pairs
    )
    name, limit = str(dtype).removeprefix("torch."), max(1e-2, 8e4 * torch.finfo(dtype).eps)
    what = "and log p beside it, against float64, relative"
    return [
        *found,
        measured(f"gradient in {name}", max(off, float(apart_nats(own_value, value).max())), limit, what),
    ]


def _slopes(flow: Flow, x: Tensor, context: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """log p, and the gradient of its sum by x and by every weight that is learned."""
    weights = [weight for weight in flow.parameters() if weight.requires_grad]
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        log_p = flow.log_prob(x, context)
        slopes = torch.autograd.grad(log_p.sum(), [x, *weights], allow_unused=True, materialize_grads=True)
    return log_p.detach(), list(slopes)


class _Quotients:
    """[F(+h v) - F(-h v)] / 2h along a random v, by x and all weights at once, F = Σ log p over some rows.

    Each scalar of v is of the order of what it moves: x's spread, the size of its weight tensor. Near the
    edge of a logit's domain, or at a kink, h is not small: a row is left out where 4h gives another quotient
    than h, but no more than half of those that have one.

    x, context  the rows that are kept
    left_out    how many are not
    """

    def __init__(self, s: Subject) -> None:
        x, context = s.rows(32)
        self._flow, generator = copy.deepcopy(s.flow), s.generator()
        weights = [weight.detach() for weight in self._flow.parameters() if weight.requires_grad]
        units = [s.x.std(0, correction=0).expand_as(x) + 1e-300]
        units += [(weight.square().mean().sqrt() + 0.01).expand_as(weight) for weight in weights]
        v = [unit * torch.randn(unit.shape, generator=generator, dtype=torch.float64) for unit in units]
        near, far = (self._along(x, context, weights, v, h) for h in (1e-6, 4e-6))
        unsettled = (far - near).abs().nan_to_num(torch.inf, torch.inf)
        enough = max(float(unsettled.median()), 1e-5 * float(near.abs().nanmedian()))
        kept = (unsettled <= enough) & unsettled.isfinite()
        self.x, self.context = x[kept], None if context is None else context[kept]
        self.left_out = int((~kept).sum())
        self._total = float(near[kept].sum())
        self._units, self._v = [units[0][kept], *units[1:]], [v[0][kept], *v[1:]]

    def _along(
        self, x: Tensor, context: Tensor | None, weights: list[Tensor], v: list[Tensor], h: float
    ) -> Tensor:
        """The quotient of each row's log p, (B,)."""
        values = []
        for move in (h, -h):
            for weight, direction in zip(weights, v[1:], strict=True):
                weight.add_(direction, alpha=move)
            values.append(self._flow.log_prob(x + move * v[0], context))
            for weight, direction in zip(weights, v[1:], strict=True):
                weight.sub_(direction, alpha=move)
        return (values[0] - values[1]) / (2 * h)

    def off(self, slopes: list[Tensor]) -> float:
        """How far slopes of F, by x and every weight, are from it, in units of what ∇F·v is for such v."""
        claimed = sum(float((slope * v).sum()) for slope, v in zip(slopes, self._v, strict=True))
        squares = sum(float((slope * u).square().sum()) for slope, u in zip(slopes, self._units, strict=True))
        return abs(self._total - claimed) / math.sqrt(squares)
