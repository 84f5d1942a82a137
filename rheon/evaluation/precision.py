"""The flow in its own dtype: what its arithmetic costs more than rounding x and z does, near and far out."""

import torch

from rheon.evaluation.compare import apart, apart_nats, double
from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.rounding import inwards, judged, rounding
from rheon.evaluation.subject import Subject

SIGMAS = (1, 6, 12)
"""How far out the round trip is tried."""


def own_dtype(s: Subject) -> list[Check]:
    """The round trip, and log p beside float64's, in the flow's own dtype."""
    dtype, device = s.own.base.dtype, s.own.base.device
    if dtype == torch.float64:
        return []
    name, limit = str(dtype).removeprefix("torch."), _limit(dtype)
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


def far_out(s: Subject) -> list[Check]:
    """f⁻¹(f(x)) = x in the flow's own dtype where every latent is 1, 6 or 12 σ out.

    Beyond the edge of a domain, as a logit's, there is no x to come back to: such rows are left out.
    """
    dtype, device = s.own.base.dtype, s.own.base.device
    sign = torch.randint(2, (32, *s.z.shape[1:]), generator=s.generator(), dtype=torch.float64) * 2 - 1
    sign = sign[: len(s.z)]
    context = None if s.context is None else s.context[: len(sign)].to(device, dtype)
    exact = None if context is None else double(context)
    found = []
    for sigma in SIGMAS:
        x = s.own.bijection.inverse((sigma * s.z.std() * sign).to(device, dtype), context)[0]
        z = s.own.bijection(x, context)[0]
        x_again = s.own.bijection.inverse(z, context)[0]
        edge, _ = rounding(lambda x: s.flow.bijection(x, exact), double(x), dtype)
        cost, _ = rounding(lambda z: s.flow.bijection.inverse(z, exact), double(z), dtype)
        beside = s.own.bijection(inwards(x, s.x.mean(0).to(x)), context)[0]
        on_edge = ~z.flatten(1).isfinite().all(1) & beside.flatten(1).isfinite().all(1)
        inside = edge.isfinite() & cost.isfinite() & ~on_edge.cpu()
        name, limit = f"round trip at {sigma} σ", _limit(dtype)
        if not bool(inside.any()):
            found.append(skipped(name, "rounding alone takes such x onto the edge of the domain"))
            continue
        error = (apart(x_again, x) / (1 + cost / limit))[inside]
        what = f"relative, {str(dtype).removeprefix('torch.')}, {len(error)} rows"
        found.append(measured(name, float(error.max()), limit, what))
    return found


def _limit(dtype: torch.dtype) -> float:
    return max(1e-4, 800 * torch.finfo(dtype).eps)
