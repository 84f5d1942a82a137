"""Checks of conduct: what a row's neighbours, the mode, extremes, the context and NaN may change, and not."""

import contextlib
import copy
import math
import random

import numpy as np
import torch
from torch import Tensor, nn

from rheon.bijections.batchnorm import BatchNorm
from rheon.errors import RheonError
from rheon.evaluation.compare import apart, apart_nats
from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.rounding import inwards
from rheon.evaluation.subject import Subject

# Modules that compute something else in training on purpose.
_TWO_MODES = (BatchNorm, nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def batch_invariance(s: Subject) -> list[Check]:
    """A row's log p and a latent's x do not depend on the rows beside it."""
    together, x_together = s.flow.log_prob(s.x, s.context), s.flow.bijection.inverse(s.z, s.context)[0]
    errors = []
    for size in (1, 3):
        for first in range(0, min(4 * size, len(s.x)), size):
            part = slice(first, first + size)
            context = None if s.context is None else s.context[part]
            errors.append(float(apart_nats(s.flow.log_prob(s.x[part], context), together[part]).max()))
            errors.append(
                float(apart(s.flow.bijection.inverse(s.z[part], context)[0], x_together[part]).max())
            )
    return [
        measured("rows alone and together", max(errors), 1e-9, f"1 and 3 rows beside {len(s.x)}, relative")
    ]


def modes(s: Subject) -> list[Check]:
    """Once layers have taken their first values from data, training and evaluation mode agree."""
    name = "training and evaluation mode"
    two_modes = {type(m).__name__ for m in s.flow.modules() if isinstance(m, _TWO_MODES)}
    if two_modes:
        return [skipped(name, f"{', '.join(sorted(two_modes))} differs in training on purpose")]
    flow = copy.deepcopy(s.flow).train()
    flow.log_prob(s.x, s.context)
    training = flow.log_prob(s.x, s.context)
    error = float(apart_nats(flow.eval().log_prob(s.x, s.context), training).max())
    return [measured(name, error, 1e-9, "log p, relative")]


def extremes(s: Subject) -> list[Check]:
    """Latents at ±12 σ give finite x with a finite log p.

    Where a domain has an edge, as a logit's has, x may be rounded onto it: there log p is judged a few units
    in the last place inwards, on the way to the mean of the rows.
    """
    scale = 12 * s.z.std()
    sign = torch.randint(2, (14, *s.z.shape[1:]), generator=s.generator(), dtype=torch.float64) * 2 - 1
    z = torch.cat((sign, torch.ones_like(sign[:1]), -torch.ones_like(sign[:1]))) * scale
    context = None if s.context is None else s.context[:16]
    x = s.flow.bijection.inverse(z[: len(s.x)], context)[0]
    fine = torch.isfinite(s.flow.log_prob(x, context))
    beside = torch.isfinite(s.flow.log_prob(inwards(x, s.x.mean(0)), context))
    bad = int((~torch.isfinite(x)).sum() + (~(fine | beside)).sum())
    what = f"values of x and log p that are not, {len(x)} latents"
    if at_edge := int((beside & ~fine).sum()):
        what += f", {at_edge} rounded onto an edge: log p beside it"
    return [measured("finite at ±12 σ", bad, 0, what)]


def context_matters(s: Subject) -> list[Check]:
    """Another condition gives another density."""
    if s.context is None:
        return []
    other = torch.randn(s.context.shape, generator=s.generator(), dtype=torch.float64) + s.context
    same = s.flow.log_prob(s.x, s.context) == s.flow.log_prob(s.x, other)
    return [measured("context is used", float(same.double().mean()), 0.5, "share of rows it does not change")]


def not_a_number(s: Subject) -> list[Check]:
    """NaN gives NaN or a refusal, infinity never a number, and neither touches other rows."""
    x, context = s.rows(16)
    n, numbers, touched = len(x), 0, 0.0
    alone = s.flow.log_prob(x, context)
    places = torch.randint(s.dims, (n,), generator=s.generator())
    for value in (torch.nan, torch.inf, -torch.inf):
        spoiled = x.flatten(1).clone()
        spoiled[torch.arange(n), places] = value
        both = torch.cat((x, spoiled.view_as(x)))
        with contextlib.suppress(RheonError):
            log_p = s.flow.log_prob(both, None if context is None else torch.cat((context, context)))
            touched = max(touched, float(apart_nats(log_p[:n], alone).max()))
            fine = log_p[n:].isnan() | ((log_p[n:] == -torch.inf) & math.isinf(value))
            numbers += int((~fine).sum())
    if context is not None:
        with contextlib.suppress(RheonError):
            numbers += int((~s.flow.log_prob(x, torch.full_like(context, torch.nan)).isnan()).sum())
    what = "rows with NaN or ±inf, or a NaN context, whose log p is a number"
    return [
        measured("NaN stays NaN", numbers, 0, what),
        measured("NaN stays in its row", touched, 1e-9, "log p of the rows beside, relative"),
    ]


def side_effects(s: Subject) -> list[Check]:
    """Scoring and sampling change neither the input, nor the weights, nor the global random state."""
    flow, x = copy.deepcopy(s.flow), s.x.clone()
    context = None if s.context is None else s.context.clone()
    before, weights = _global_states(), copy.deepcopy(flow.state_dict())
    flow.log_prob(x, context)
    flow.bijection.inverse(s.z.clone(), context)
    first = flow.sample(len(x), context, generator=s.generator())
    flow.sample(1, None if context is None else context[0])
    flow.sample_and_log_prob(len(x), context, s.generator())
    faults = [
        fault
        for fault, holds in {
            "x was changed": torch.equal(x, s.x),
            "context was changed": context is None or torch.equal(context, s.context),  # type: ignore[arg-type]
            "weights or buffers were changed": _equal(weights, flow.state_dict()),
            "the global random state was used": _same(before, _global_states()),
            "one seed gave two samples": torch.equal(
                first, flow.sample(len(x), context, generator=s.generator())
            ),
        }.items()
        if not holds
    ]
    return [measured("no side effects", len(faults), 0, "; ".join(faults) or "on x, weights, global RNG")]


def _global_states() -> tuple[Tensor, tuple, object]:
    return torch.get_rng_state(), tuple(np.random.get_state()), random.getstate()  # noqa: NPY002


def _same(a: tuple[Tensor, tuple, object], b: tuple[Tensor, tuple, object]) -> bool:
    numpy_same = all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))
    return torch.equal(a[0], b[0]) and numpy_same and a[2] == b[2]


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
