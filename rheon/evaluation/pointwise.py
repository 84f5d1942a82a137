"""Checks of one row at a time, in float64: the round trip, and the parts of log p."""

import torch

from rheon.evaluation.compare import apart, apart_nats
from rheon.evaluation.report import Check, measured
from rheon.evaluation.rounding import judged, rounding
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
    """f⁻¹(f(x)) = x and f(f⁻¹(z)) = z, and the two log-dets cancel, but for what rounding explains."""
    f, rows = s.flow.bijection, f"{len(s.x)} rows, float64"
    z, log_det = f(s.x, s.context)
    x, log_det_back = f.inverse(z, s.context)
    x_of_z, log_det_of_z = f.inverse(s.z, s.context)
    z_again, log_det_again = f(x_of_z, s.context)
    latents = s.flow.latents(s.x, s.context)
    x_of_latents = s.flow.from_latents(latents, s.context)
    cost_x, cost_back = rounding(lambda z: f.inverse(z, s.context), z, torch.float64)
    cost_z, cost_again = rounding(lambda x: f(x, s.context), x_of_z, torch.float64)
    sums = torch.cat((log_det + log_det_back, log_det_of_z + log_det_again)).abs()
    costs = torch.cat((cost_back, cost_again))
    parts = f"relative, in {len(latents)} part{'s' * (len(latents) > 1)}"
    return [
        judged("round trip x → z → x", apart(x, s.x), cost_x, 1e-10, f"relative, {rows}"),
        judged("round trip z → x → z", apart(z_again, s.z), cost_z, 1e-10, f"relative, {rows}"),
        judged("latents and back", apart(x_of_latents, s.x), cost_x, 1e-10, parts),
        judged("log-dets cancel", sums, costs, 1e-8, f"nats, {rows}"),
    ]


def composition(s: Subject) -> list[Check]:
    """The flow's log p is log p_Z(f(x)) + log|det|, whatever a subclass makes of it."""
    z, log_det = s.flow.bijection(s.x, s.context)
    expected = s.flow.base.log_prob(z, s.context) + log_det
    error = float(apart_nats(s.flow.log_prob(s.x, s.context), expected).max())
    return [measured("log p = log p_Z(f(x)) + log-det", error, 1e-9, "relative to 1 + |log p|")]


def sample_and_log_prob(s: Subject) -> list[Check]:
    """Samples come with the log p that log_prob gives them."""
    x, log_p = s.flow.sample_and_log_prob(len(s.x), s.context, s.generator())
    expected = s.flow.log_prob(x, s.context)
    _, cost = rounding(lambda x: (x, s.flow.log_prob(x, s.context)), x, torch.float64)
    error, cost = apart_nats(log_p, expected), cost / (1 + expected.abs())
    return [judged("sample_and_log_prob", error, cost, 1e-8, "beside log_prob, relative to 1 + |log p|")]
