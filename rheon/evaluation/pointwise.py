"""Checks of one row at a time: the round trip, the parts of log p, the flow's own precision."""

import torch

from rheon.evaluation.compare import apart, apart_nats, double
from rheon.evaluation.report import Check, measured
from rheon.evaluation.subject import Subject


def shapes(s: Subject) -> list[Check]:
    """Values, log-dets and densities have the promised shapes, and float64 goes in and comes out."""
    n, latent = len(s.x), s.z.shape[1:]
    z, log_det = s.flow.bijection(s.x, s.context)
    x, log_det_inverse = s.flow.bijection.inverse(s.z, s.context)
    log_p = s.flow.log_prob(s.x, s.context)
    promised = {
        "z": (z, (n, *latent)),
        "x": (x, s.x.shape),
        "log_det of forward": (log_det, (n,)),
        "log_det of inverse": (log_det_inverse, (n,)),
        "log_prob": (log_p, (n,)),
    }
    faults = [
        f"{name} is {value.dtype} {tuple(value.shape)}, not torch.float64 {tuple(shape)}"
        for name, (value, shape) in promised.items()
        if tuple(value.shape) != tuple(shape) or value.dtype != torch.float64
    ]
    return [measured("shapes and dtypes", len(faults), 0, "; ".join(faults) or "of z, x, log-dets, log p")]


def round_trip(s: Subject) -> list[Check]:
    """f⁻¹(f(x)) = x and f(f⁻¹(z)) = z, and the two log-dets cancel."""
    f, rows = s.flow.bijection, f"{len(s.x)} rows, float64"
    z, log_det = f(s.x, s.context)
    x, log_det_back = f.inverse(z, s.context)
    x_of_z, log_det_of_z = f.inverse(s.z, s.context)
    z_again, log_det_again = f(x_of_z, s.context)
    latents = s.flow.latents(s.x, s.context)
    x_of_latents = s.flow.from_latents(latents, s.context)
    sums = torch.cat((log_det + log_det_back, log_det_of_z + log_det_again))
    return [
        measured("round trip x → z → x", apart(x, s.x), 1e-10, f"relative, {rows}"),
        measured("round trip z → x → z", apart(z_again, s.z), 1e-10, f"relative, {rows}"),
        measured(
            "latents and back",
            apart(x_of_latents, s.x),
            1e-10,
            f"relative, in {len(latents)} part{'s' * (len(latents) > 1)}",
        ),
        measured("log-dets cancel", float(sums.abs().max()), 1e-8, f"nats, {rows}"),
    ]


def own_dtype(s: Subject) -> list[Check]:
    """The round trip, and log p beside float64's, in the flow's own dtype."""
    dtype, device = s.own.base.dtype, s.own.base.device
    if dtype == torch.float64:
        return []
    name, limit = str(dtype).removeprefix("torch."), max(1e-4, 800 * torch.finfo(dtype).eps)
    x, z = s.x.to(device, dtype), s.z.to(device, dtype)
    context = None if s.context is None else s.context.to(device, dtype)
    f = s.own.bijection
    there = apart(f.inverse(f(x, context)[0], context)[0], x)
    back = apart(f(f.inverse(z, context)[0], context)[0], z)
    log_p = s.own.log_prob(x, context)
    # float64 is given the rounded rows, so that only the arithmetic differs.
    exact = s.flow.log_prob(double(x), None if context is None else double(context))
    error = (double(log_p) - exact).abs() / (1 + exact.abs())
    return [
        measured(f"round trip in {name}", max(there, back), limit, "relative, the larger of both ways"),
        measured(f"log p in {name}", float(error.max()), limit, "beside float64, relative to 1 + |log p|"),
    ]


def composition(s: Subject) -> list[Check]:
    """The flow's log p is log p_Z(f(x)) + log|det|, whatever a subclass makes of it."""
    z, log_det = s.flow.bijection(s.x, s.context)
    expected = s.flow.base.log_prob(z, s.context) + log_det
    error = apart_nats(s.flow.log_prob(s.x, s.context), expected)
    return [measured("log p = log p_Z(f(x)) + log-det", error, 1e-9, "relative to 1 + |log p|")]


def sample_and_log_prob(s: Subject) -> list[Check]:
    """Samples come with the log p that log_prob gives them."""
    x, log_p = s.flow.sample_and_log_prob(len(s.x), s.context, s.generator())
    error = apart_nats(log_p, s.flow.log_prob(x, s.context))
    return [measured("sample_and_log_prob", error, 1e-8, "beside log_prob, relative to 1 + |log p|")]
