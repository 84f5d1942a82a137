"""The battery for rows: the flow given codes, the sum of all codes, and whole rows in their own units."""

import math

import numpy as np
import torch
from torch import Tensor

from rheon.evaluation.check import check_flow
from rheon.evaluation.report import Check, Report, measured, skipped, worst
from rheon.flow import Flow
from rheon.tables.categorical import CategoricalHeads
from rheon.tables.density import TableDensity
from rheon.tables.member import Member
from rheon.tables.mixed import Mixed
from rheon.tables.reading import Table, read_table

_ROWS = 256
_MOST_CODES = 1 << 16
_DRAWS = 20_000


def check_rows(model: TableDensity, data: Table | None, seed: int, seconds: float) -> Report:
    """What :func:`rheon.check` does for a density of rows; ``data`` are rows to try it on."""
    if isinstance(model.learned, Mixed):
        given = _known(model, model.learned.given, data, seed)
        found = worst([_of_member(member, given, seed, seconds) for member in model.learned.fitted])
    else:
        flows = [part for part in model.parts if isinstance(part, Flow)]
        found = worst([check_flow(flow, seed=seed, seconds=seconds) for flow in flows])
    return Report((*found.checks, *_of_whole_rows(model, data, seed)), found.note)


def _known(model: TableDensity, features: int, data: Table | None, seed: int) -> Tensor:
    """Features of what is given, (N, M): of rows in turn, or any numbers, for which p is a density, too."""
    if data is None or not model.given:
        return torch.randn(_ROWS, features, generator=torch.Generator().manual_seed(seed))
    given = model.roles.given_of(data.require(model.given))
    assert given is not None
    return given[torch.arange(_ROWS) % len(given)]


def _of_member(member: Member, given: Tensor, seed: int, seconds: float) -> Report:
    """Codes given g, then numbers given codes that were drawn, and g."""
    generator = torch.Generator().manual_seed(seed)
    codes, _ = member.sample(len(given), given, 1.0, generator)
    checks: list[Check] = []
    note = ""
    if member.heads is not None:
        checks += [_sum_of_codes(member.heads, given), _share_of_codes(member.heads, given, seed)]
    if member.flow is not None:
        known, x = member.known(codes, given), None
        if known is not None:
            x = member.flow.sample(len(codes), known, generator=generator)
        of_flow = check_flow(member.flow, x, known, seed=seed, seconds=seconds)
        checks, note = [*checks, *of_flow.checks], of_flow.note
    return Report(tuple(checks), note)


@torch.no_grad()
def _sum_of_codes(heads: CategoricalHeads, given: Tensor) -> Check:
    """Σ_c P(c | g) = 1, over all codes, those that stand for a value never seen too."""
    name, count = "sum of P over all codes", math.prod(level + 1 for level in heads.levels)
    if count > _MOST_CODES:
        return skipped(name, f"{count:.1e} codes are too many to be summed")
    every = torch.cartesian_prod(*(torch.arange(level + 1) for level in heads.levels)).view(count, -1)
    off = 0.0
    for g in given[:3] if given.shape[1] else given[:1]:
        own = g.expand(count, -1) if given.shape[1] else None
        off = max(off, abs(float(heads(every, own).double().exp().sum()) - 1))
    return measured(name, off, 1e-4, f"off from 1, {count:,} codes")


@torch.no_grad()
def _share_of_codes(heads: CategoricalHeads, given: Tensor, seed: int) -> Check:
    """The largest |share of draws - P(c)|, in units of chance, of codes frequent among other draws."""
    generator = torch.Generator().manual_seed(seed)
    own = given[:1].expand(2 * _DRAWS, -1) if given.shape[1] else None
    codes = heads.sample(2 * _DRAWS, own, generator)
    found, times = codes[:_DRAWS].unique(dim=0, return_counts=True)
    frequent = found[times.argsort(descending=True)[:64]]
    p = heads(frequent, None if own is None else own[: len(frequent)]).double().exp()
    p = (p / (1 - heads.unseen.double()).prod()).clamp(0, 1)  # drawn are values that were seen
    share = torch.stack([(codes[_DRAWS:] == code).all(1).double().mean() for code in frequent])
    sigma = (p * (1 - p) / _DRAWS).sqrt().clamp_min(1 / _DRAWS)
    what = f"σ of chance, {len(frequent)} most frequent codes in {_DRAWS:,} draws"
    return measured("drawn codes against P", float(((share - p).abs() / sigma).max()), 6, what)


def _of_whole_rows(model: TableDensity, data: Table | None, seed: int) -> list[Check]:
    """A row's score, in its own units, is finite and a function of the row alone."""
    names = ("finite log p of rows", "a row's score alone and together")
    if data is None and model.given:
        return [skipped(name, f"rows are needed: {', '.join(model.given)} are given") for name in names]
    what = "own draws" if data is None else "rows"
    rows = read_table(model.sample_table(_ROWS, seed=seed)) if data is None else data
    rows = rows.take(np.random.default_rng(seed).permutation(len(rows))[:_ROWS])
    together = model.log_prob(rows)
    parts = [model.log_prob(rows.take(np.array([i])))[0] for i in range(min(8, len(rows)))]
    pairs = [model.log_prob(rows.take(np.array([len(rows) - 1, i])))[1] for i in range(len(parts))]
    differ = sum(
        not a == b == c for a, b, c in zip(parts, pairs, together[: len(parts)].tolist(), strict=True)
    )
    return [
        measured(names[0], int((~np.isfinite(together)).sum()), 0, f"that are not, of {len(rows)} {what}"),
        measured(names[1], differ, 0, f"of {len(parts)} rows whose bits differ"),
    ]
