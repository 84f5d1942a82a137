"""What rounding alone may do: limits that follow how sharply a map answers to its argument's last place.

Near the edge of its domain a logit answers to one unit in the last place with 1e-4 and more. No arithmetic
does better there, so this much is no error. Where most rows are like that, numbers of that precision do not
suffice for the flow, and that is one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from rheon.evaluation.compare import apart
from rheon.evaluation.report import Check, measured

UNITS = 16
"""Units in the last place that a flow may lose from its argument to its value."""


def rounding(
    f: Callable[[Tensor], tuple[Tensor, Tensor]], at: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """How far f's value (relative) and its log-det (nats) move, (B,) each; inf at the edge of f's domain.

    Every scalar of ``at`` moves by UNITS units in ``dtype``'s last place, up or down at random, three times
    and as often the other way round; the largest move counts, since in one the scalars may cancel. Where f
    gives no number anywhere there is no edge, and the cost is 0. f itself computes in float64.
    """
    value, log_det = f(at)
    sign = torch.randint(2, (3, *at.shape), generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = [
        f(at * (1 + signs * UNITS * torch.finfo(dtype).eps))
        for signs in torch.cat((sign, -sign)).to(at.dtype)
    ]
    everywhere = [(value, log_det), *found]
    numbers = torch.stack([z.flatten(1).isfinite().all(1) & s.isfinite() for z, s in everywhere]).any(0)
    values = torch.stack([apart(z, value) for z, _ in found]).amax(0)
    log_dets = torch.stack([(s - log_det).abs().nan_to_num(torch.inf, torch.inf) for _, s in found]).amax(0)
    return torch.where(numbers, values, 0.0), torch.where(numbers, log_dets, 0.0)


def inwards(x: Tensor, centre: Tensor) -> Tensor:
    """x moved towards the centre, in a straight line, by what a few units in its last place are."""
    way = centre - x
    largest = x.flatten(1).abs().amax(1) + centre.abs().max()
    step = UNITS * torch.finfo(x.dtype).eps * largest / way.flatten(1).abs().amax(1)
    return x + way * step.view(-1, *[1] * (x.dim() - 1))


def judged(name: str, error: Tensor, cost: Tensor, limit: float, detail: str) -> Check:
    """Whether errors (B,) stay within limit + cost, and half of them within the limit alone.

    The cost (B,) is that of rounding, in the units of the error; an infinite one explains every error. The
    figure is the largest error, each made smaller by what its cost adds to the limit, or the median error
    where that is larger.
    """
    error = error.nan_to_num(torch.inf, torch.inf)
    explained = torch.where(cost.isfinite(), error / (1 + cost / limit), 0.0)
    figure = max(float(explained.max()), float(error.median()))
    beyond = (error > limit) & (explained <= limit)
    if figure <= limit and bool(beyond.any()):
        detail += f"; {float(error.max()):.2g} as rounding explains in {int(beyond.sum())} of {len(error)}"
    return measured(name, figure, limit, detail)
