"""The flow in its own dtype beside float64: what its arithmetic costs more than rounding x and z does."""

import torch

from rheon.evaluation.compare import apart, apart_nats, double
from rheon.evaluation.report import Check
from rheon.evaluation.rounding import judged, rounding
from rheon.evaluation.subject import Subject


def own_dtype(s: Subject) -> list[Check]:
    """The round trip, and log p beside float64's, in the flow's own dtype."""
    dtype, device = s.own.base.dtype, s.own.base.device
    if dtype == torch.float64:
        return []
    name, limit = str(dtype).removeprefix("torch."), max(1e-4, 800 * torch.finfo(dtype).eps)
    x, z = s.x.to(device, dtype), s.z.to(device, dtype)
    context = None if s.context is None else s.context.to(device, dtype)
    f = s.own.bijection
    x_again = f.inverse(f(x, context)[0], context)[0]
    z_again = f(f.inverse(z, context)[0], context)[0]
    log_p = s.own.log_prob(x, context)
    # float64 is given the rounded rows, so that only the arithmetic differs.
    x, z, context = double(x), double(z), None if context is None else double(context)
    exact, f = s.flow.log_prob(x, context), s.flow.bijection
    taken_out = s.flow.log_prob(s.x, s.context).isfinite() & ~exact.isfinite()
    cost_x, _ = rounding(lambda z: f.inverse(z, context), f(x, context)[0], dtype)
    cost_z, _ = rounding(lambda x: f(x, context), f.inverse(z, context)[0], dtype)
    edge, cost_log_p = rounding(lambda x: (f(x, context)[0], s.flow.log_prob(x, context)), x, dtype)
    # An x that rounding can take out of the domain has no z to come back from. Where it has taken several
    # scalars of a row out, no move of them all may bring the row back in.
    cost_x = torch.where(edge.isfinite() & ~taken_out, cost_x, torch.inf)
    cost_log_p = torch.where(taken_out, torch.inf, cost_log_p)
    round_trip, what = f"round trip in {name}", "relative, the larger of both ways"
    ways = (
        judged(round_trip, apart(x_again, x), cost_x, limit, what),
        judged(round_trip, apart(z_again, z), cost_z, limit, what),
    )
    error, cost = apart_nats(log_p, exact), cost_log_p / (1 + exact.abs().nan_to_num())
    what = "beside float64, relative to 1 + |log p|"
    return [max(ways, key=lambda way: way.figure), judged(f"log p in {name}", error, cost, limit, what)]
