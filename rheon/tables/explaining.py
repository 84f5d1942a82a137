"""Which cells make a row unusual: the surprisal of each, given the rest of its row.

    s_j = -log p(x_j | x_-j) = log p(x_-j) - log p(x),    p(x_-j) = Σ_c ∫ p(x_-j, c_j, y_j) dy_j

The sum runs over all values of a column that has few, those never seen among them; a number is integrated by
quadrature. The excess s_j - E s_j, over the values that the column could have beside the rest, is in nats and
does not depend on units: it says how much less probable the cell is than such cells are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rheon.tables.encoding import Encoded
from rheon.tables.imputing import Imputing
from rheon.tables.lines import NODES
from rheon.tables.roles import Roles
from rheon.tables.rows import RowDensity
from rheon.tables.whole import Codes, Floats, Whole

_TOGETHER = 1 << 15
"""Evaluations of the density that are made together."""


@dataclass(frozen=True)
class Explained:
    """For each of N rows the k cells of greatest excess, in its order.

    Attributes:
        columns: their names, (N, k).
        surprisal: s_j in nats, for numbers per unit of the column, (N, k).
        excess: s_j - E s_j in nats, (N, k).
        approximate: rows with other cells that are missing: these were drawn once, (N,). With numbers on a
            grid every surprisal is one of noisy values: exact for them, and nearly so for the row.
    """

    columns: NDArray[np.str_]
    surprisal: Floats
    excess: Floats
    approximate: NDArray[np.bool_]


def explain(model: RowDensity, roles: Roles, rows: Any, k: int, seed: int) -> Explained:
    """The k cells of each row that are the least to be expected given the rest of it."""
    encoded, given = roles.encode(roles.read(rows))
    names = roles.targets.schema.names
    k = min(k, len(names))
    open_ = np.flatnonzero(~encoded.complete)
    codes, y = encoded.codes.copy(), encoded.y.copy()
    if len(open_):
        some = None if given is None else given[torch.from_numpy(open_)]
        drawn = Imputing(model, some).draw(encoded.take(open_), 1, seed)
        codes[open_], y[open_] = drawn.codes[0], drawn.y[0]
    whole = Whole.of(model, given)
    known = Encoded(codes, y, np.zeros_like(encoded.holes))
    y = np.where(encoded.holes, y, whole.noisy(known, seed))
    t = whole.t(y)
    surprisal, excess = np.empty((2, len(encoded), len(names)))
    for place, name in enumerate(names):
        surprisal[:, place], excess[:, place] = _Column(whole, name).explain(codes, y, t)
        missing = _unknown(encoded, whole, name)
        surprisal[missing, place] = excess[missing, place] = -np.inf
    order = np.argsort(-excess, axis=1, kind="stable")[:, :k]
    surprisal, excess = np.take_along_axis(surprisal, order, 1), np.take_along_axis(excess, order, 1)
    approximate = np.zeros(len(encoded), dtype=bool)
    approximate[open_] = True
    return Explained(np.array(names)[order], surprisal, excess, approximate)


class _Column:
    """One column of a density, given the others."""

    def __init__(self, whole: Whole, name: str) -> None:
        self._whole, encoding = whole, whole.encoding
        coded, numbers = ([c.name for c in columns] for columns in (encoding.coded, encoding.numbers))
        self._code = coded.index(name) if name in coded else None
        self._number = numbers.index(name) if name in numbers else None
        levels = 0
        if self._code is not None:
            levels = encoding.levels[self._code] + (self._code not in encoding.closed)
        # Level 0 of a column of numbers is that it has one.
        self._levels: Sequence[int] = range(self._number is not None, levels)

    def explain(self, codes: Codes, y: Floats, t: Floats) -> tuple[Floats, Floats]:
        """s and s - E s of complete rows, (N,) each; t are their numbers made nearly normal."""
        surprisal, excess = np.empty((2, len(codes)))
        step = max(_TOGETHER // (len(self._levels) + NODES * (self._number is not None)), 1)
        for start in range(0, len(codes), step):
            row = np.arange(start, min(start + step, len(codes)))
            surprisal[row], excess[row] = self._some(codes[row], y[row], t[row], row)
        return surprisal, excess

    def _some(self, codes: Codes, y: Floats, t: Floats, row: Codes) -> tuple[Floats, Floats]:
        whole, n = self._whole, len(codes)
        log_p, log_mass, mean_log_p = whole.log_p(codes, y, row), [], []
        if self._levels:
            every, numbers = np.repeat(codes, len(self._levels), 0), np.repeat(y, len(self._levels), 0)
            every[:, self._code] = np.tile(self._levels, n)
            if self._number is not None:
                numbers[:, self._number] = np.nan
            closed = whole.log_p(every, numbers, np.repeat(row, len(self._levels))).reshape(n, -1)
            log_mass += list(closed.T)
            mean_log_p += list(closed.T)
        if (j := self._number) is not None:
            there, filled = ~np.isnan(y[:, j]), codes.copy()
            if self._code is not None:
                filled[:, self._code] = 0
            lines = whole.lines(filled, y, np.full(n, j), row, through=t[:, [j]])
            cell = whole.encoding.log_steps[j]
            log_p -= there * cell
            log_mass.append(lines.log_mass)
            mean_log_p.append(lines.mean_log_p - cell)
        total = np.logaddexp.reduce(log_mass, 0)
        shares = np.exp(np.array(log_mass) - total)
        expected = np.where(shares > 0, shares * (np.array(mean_log_p) - total), 0.0).sum(0)
        return total - log_p, total - log_p + expected


def _unknown(rows: Encoded, whole: Whole, name: str) -> NDArray[np.bool_]:
    """Rows in which the column's cell is not known, and so has no surprisal, (N,)."""
    unknown = np.zeros(len(rows), dtype=bool)
    for place, column in enumerate(whole.encoding.coded):
        if column.name == name:
            unknown |= rows.codes[:, place] < 0
    for place, column in enumerate(whole.encoding.numbers):
        if column.name == name:
            unknown |= rows.holes[:, place]
    return unknown
