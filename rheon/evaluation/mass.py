"""Checks of p as a whole: it integrates to 1, and the flow's samples are distributed by it.

Where samples are judged, a sound flow fails in one run of a million at most; with one seed the answer is
always the same.
"""

import math

import torch
from torch import Tensor

from rheon.evaluation.compare import RATE, uniformity
from rheon.evaluation.cubature import Masses, integrate
from rheon.evaluation.integrate import conditioned, sampled_box
from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.subject import Subject

_MAX_POINTS = 1 << 19


def integrates_to_one(s: Subject) -> list[Check]:
    """∫ p = 1, for each of three conditions where there are some, and samples fall as p says; D = 1 and 2."""
    if s.dims > 2:
        return []
    names, limit = ("integral of p", "samples against p"), {1: 1e-5, 2: 1e-3}[s.dims]
    contexts = [None] if s.context is None else list(s.context[:3])
    found = [_masses(s, context, limit / 2) for context in contexts]
    off, error = (max(figures) for figures in zip(*((abs(m.total - 1), m.error) for m in found), strict=True))
    if error > limit / 2 and off <= limit + 10 * error:
        reason = f"p is too rough: {_MAX_POINTS} evaluations do not suffice (error {error:.0e})"
        return [skipped(name, reason) for name in names]
    points = sum(masses.points for masses in found)
    of = "" if s.context is None else f", largest of {len(contexts)} conditions"
    return [
        measured(names[0], off, limit, f"off from 1, {points} evaluations{of}"),
        _histogram(s, contexts[0], found[0]),
    ]


def _masses(s: Subject, context: Tensor | None, tolerance: float) -> Masses:
    low, high, samples = sampled_box(s.flow, context, s.generator())
    return integrate(conditioned(s.flow, context), low, high, samples, tolerance, _MAX_POINTS)


def _histogram(s: Subject, context: Tensor | None, masses: Masses, n: int = 20_000) -> Check:
    """χ² of sample counts in cells of about equal mass, as a normal deviate by Wilson and Hilferty."""
    name, enough = "samples against p", 8
    x = s.flow.sample(n, context, generator=s.generator().manual_seed(s.seed + 1)).flatten(1)
    cells, counts = masses.cells, []
    for low, high in zip(cells.low.split(64), cells.high.split(64), strict=True):
        inside = (x >= low[:, None]) & (x < high[:, None])
        counts.append(inside.all(2).sum(1))
    count, share = torch.cat(counts).double(), masses.mass
    big = n * share >= enough
    # Everything else, outside the box too, is one more cell.
    count = torch.cat((count[big], n - count[big].sum()[None]))
    rest = (n * (1 - share[big].sum())).clamp_min(enough)
    expected = torch.cat((n * share[big], rest[None]))
    k = int(big.sum())
    if k < 8 or not math.isfinite(masses.total):
        return measured(name, math.inf, 5, f"only {k} cells hold mass where the {n} samples are")
    chi2 = float(((count - expected) ** 2 / expected).sum())
    spread = 2 / (9 * k)
    deviate = ((chi2 / k) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return measured(name, deviate, 5, f"σ of χ², {n} samples in {k + 1} cells, false alarms < {RATE:.0e}")


def nearest_neighbours(s: Subject, n: int = 4000, queries: int = 1500, inside: int = 32) -> list[Check]:
    """The mass m of the ball out to the nearest of n samples, D = 3 … 8: (1 - m)^n is uniform on (0, 1).

    m is the mean of p over random points of the ball, times its volume: the plain n · p(x) · volume ~ Exp(1)
    needs a density that is constant in the ball, which it is not from D = 4 on. Balls are round in the units
    in which the samples have unit covariance.
    """
    if not 3 <= s.dims <= 8:
        return []
    name, dims = "samples against p", s.dims
    generator = s.generator().manual_seed(s.seed + 1)
    context = None if s.context is None else s.context[0]
    draws = s.flow.sample(n + queries, context, generator=generator).flatten(1)
    pool, query = draws[:n], draws[n:]
    root, info = torch.linalg.cholesky_ex(pool.T.cov())
    if int(info) or not bool(torch.isfinite(draws).all()):
        return [skipped(name, "the covariance of the samples is singular")]
    white = torch.linalg.solve_triangular(root, draws.T, upper=False).T
    radius = torch.cat([torch.cdist(part, white[:n]).amin(1) for part in white[n:].split(250)])
    direction = torch.randn(queries, inside // 2, dims, generator=generator, dtype=torch.float64)
    depth = torch.rand(queries, inside // 2, 1, generator=generator, dtype=torch.float64) ** (1 / dims)
    offset = direction / direction.norm(dim=2, keepdim=True) * depth * radius[:, None, None]
    offset = torch.cat((offset, -offset), 1) @ root.T
    log_p = conditioned(s.flow, context)
    points = (query[:, None] + offset).flatten(0, 1)
    p = torch.cat([log_p(part) for part in points.split(2**14)]).exp().nan_to_num(0.0).view(queries, inside)
    pairs = (p[:, : inside // 2] + p[:, inside // 2 :]) / 2
    noise = (pairs.var(1) / pairs.mean(1).square() / (inside // 2)).nan_to_num(1.0).mean()
    # A relative error δ of m moves a distribution function of e^-Exp(1) by ¼ E[δ²] at most.
    allowance = 0.25 * float(noise)
    if allowance > 0.05:
        return [
            skipped(name, "p varies too much between neighbouring samples for their balls to be measured")
        ]
    log_volume = dims / 2 * math.log(math.pi) - math.lgamma(dims / 2 + 1) + float(root.diagonal().log().sum())
    mass = p.mean(1) * (dims * radius.log() + log_volume).exp()
    uniform = (1 - mass.clamp(0, 1)) ** n
    what = f"nearest neighbours of {queries} among {n} samples"
    return [uniformity(name, uniform, what, allowance)]
