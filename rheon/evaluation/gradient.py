"""The gradient of log p, which training follows: against differences, and in the flow's own dtype."""

import copy
import math

import torch
from torch import Tensor

from rheon.evaluation.compare import apart_nats, double
from rheon.evaluation.report import Check, measured
from rheon.evaluation.subject import Subject
from rheon.flow import Flow


def gradients(s: Subject) -> list[Check]:
    """The slope of Σ log p, by x and all weights, is a difference quotient's, and the same in the own dtype.

    Layers whose derivative is written by hand may take another way where a gradient is wanted, perhaps in one
    dtype alone: neither log p nor its gradient may notice.
    """
    x, context = s.rows(32)
    _, slopes = _slopes(s.flow, x, context)
    off = _off_difference(s, x, context, slopes)
    found = [measured("gradient of log p", off, 1e-4, "beside a difference quotient, relative, float64")]
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
    return [*found, measured(f"gradient in {name}", max(off, apart_nats(own_value, value)), limit, what)]


def _slopes(flow: Flow, x: Tensor, context: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """log p, and the gradient of its sum by x and by every weight that is learned."""
    weights = [weight for weight in flow.parameters() if weight.requires_grad]
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        log_p = flow.log_prob(x, context)
        slopes = torch.autograd.grad(log_p.sum(), [x, *weights], allow_unused=True, materialize_grads=True)
    return log_p.detach(), list(slopes)


def _off_difference(s: Subject, x: Tensor, context: Tensor | None, slopes: list[Tensor]) -> float:
    """|[F(+h v) - F(-h v)] / 2h - ∇F·v| for F = Σ log p and a random v, in units of what ∇F·v is for such v.

    Each scalar of v is of the order of what it moves: x's spread, the size of its weight tensor.
    """
    flow, h, generator = copy.deepcopy(s.flow), 1e-6, s.generator()
    x = x.clone()
    places = [x, *(weight.detach() for weight in flow.parameters() if weight.requires_grad)]
    units = [s.x.std(0, correction=0).expand_as(x) + 1e-300]
    units += [(place.square().mean().sqrt() + 0.01).expand_as(place) for place in places[1:]]
    v = [unit * torch.randn(unit.shape, generator=generator, dtype=torch.float64) for unit in units]
    total = []
    for move in (h, -2 * h):
        for place, direction in zip(places, v, strict=True):
            place.add_(direction, alpha=move)
        total.append(float(flow.log_prob(x, context).sum()))
    claimed = sum(float((slope * direction).sum()) for slope, direction in zip(slopes, v, strict=True))
    size = math.sqrt(
        sum(float((slope * unit).square().sum()) for slope, unit in zip(slopes, units, strict=True))
    )
    return abs((total[0] - total[1]) / (2 * h) - claimed) / size
