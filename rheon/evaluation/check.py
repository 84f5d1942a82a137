"""Is a flow's density right? The battery that answers, for rheon's flows and for a user's own layers."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rheon.bijections.base import Bijection
from rheon.evaluation.base import base_density
from rheon.evaluation.conduct import (
    batch_invariance,
    context_matters,
    extremes,
    modes,
    not_a_number,
    side_effects,
)
from rheon.evaluation.gradient import gradients
from rheon.evaluation.jacobian import log_det
from rheon.evaluation.mass import integrates_to_one, nearest_neighbours
from rheon.evaluation.pointwise import composition, round_trip, sample_and_log_prob, shapes
from rheon.evaluation.precision import far_out, own_dtype
from rheon.evaluation.report import Check, Report
from rheon.evaluation.subject import Subject, global_rng_kept, subject_of
from rheon.flow import Flow

_BATTERY = (
    round_trip,
    own_dtype,
    far_out,
    composition,
    gradients,
    sample_and_log_prob,
    batch_invariance,
    modes,
    extremes,
    context_matters,
    not_a_number,
    side_effects,
    base_density,
    integrates_to_one,
    nearest_neighbours,
)


def check_flow(
    flow: Flow | Bijection,
    x: Tensor | None = None,
    context: Tensor | None = None,
    *,
    seed: int = 0,
    seconds: float = 60.0,
) -> Report:
    """Checks that log p is the density of what the flow samples, and that its methods agree.

    A wrong density passes the usual tests: with a log-det's sign turned, a layer left out of the sum or a
    constant missing, the round trip is still exact and the two log-dets still cancel. What sees such errors:

    - log|det ∂f/∂x| against ``slogdet`` of autograd's Jacobian, within 1e-8;
    - the integral of p, within 1e-5 (D = 1) or 1e-3 (D = 2), for three conditions where there are some; for
      D > 2 the integral of the base, within 1e-5, which together with the line above is as good;
    - the flow's samples under p: a histogram (D ≤ 2), nearest neighbours (D = 3 … 8), their latents under
      the base (D > 2).

    Beside these stand the round trip both ways (1e-10, and 1e-4 in the flow's own float32, there also at
    latents of 1, 6 and 12 σ), log-dets that cancel, gradients, ``sample_and_log_prob``, rows alone and
    together, training and evaluation mode, latents at ±12 σ, the use of the context, NaN and infinities, and
    side effects. Near the edge of a domain, as a logit's, rounding alone costs more than these limits: in
    less than half of the rows as much is allowed besides as 16 units in the last place of x or z do there.

    All of it runs in float64 on a copy on the CPU; the flow, the global random state and the thread setting
    stay as they are. Parameters that are 0 or 1, as heads and scales are before training, receive small noise
    on the copy, since an identity would hide every error; trained weights are taken as they are.
    D = 2 takes about a second. The Jacobian takes D backward passes: seconds for a small 8×8 image flow.

    Args:
        flow: the flow, or a bijection, which is then put on a standard normal.
        x: rows (N, …) to try it on, of which up to 256 are used; the flow's own samples unless given. A bare
            bijection needs them, unless it has an ``event_shape``.
        context: conditions (N, M), or one for all rows (M,); standard normal ones unless given.
        seed: of everything that is random: the same seed gives the same report.
        seconds: the longest that the Jacobian may take. Where it would take longer it is left out, and the
            report says so: a 3×32×32 image has D = 3072.

    Raises RheonError where the arguments do not fit the flow. What the flow itself raises is a failed check.

    >>> import rheon
    >>> report = check_flow(rheon.architectures.realnvp(2, couplings=2))
    >>> report.passed
    True
    >>> report.raise_if_failed()
    """
    with torch.inference_mode(False), torch.no_grad(), global_rng_kept():
        s = subject_of(flow, x, context, seed)
        found = _run(shapes, s)
        if not any(check.passed is False for check in found):
            for part in _BATTERY:
                found += _run(part, s)
            found += _run(partial(log_det, seconds=seconds), s)
    note = f"{s.stirred} parameters at rest (0 or 1) were given small noise first." if s.stirred else ""
    return Report(tuple(found), note)


def _run(part: Callable[[Subject], list[Check]], s: Subject) -> list[Check]:
    try:
        return part(s)
    except Exception as error:  # noqa: BLE001 - whatever a user's layer raises is a finding
        what = f"raised {type(error).__name__}: {error}"
        name = getattr(part, "__name__", "log_det").replace("_", " ")
        return [Check(name, False, math.nan, math.nan, what)]
