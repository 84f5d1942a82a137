"""Unknown cells drawn from p(unknown | known): exactly where they can be summed and integrated, or weighted.

    p(c_U, y_U | c_K, y_K) ∝ p(c, y)

Unknown codes are summed over all their values, and with them at most one unknown number is drawn by its exact
distribution function. More of them are drawn from a proposal q, codes one after the other by the model's own
heads and numbers by a regression on the known ones, and of these draws some are taken by the weights p / q.
Their effective number is (Σ w)² / Σ w²: the larger, the closer the draws are to the model's own.

References: Rubin, *The calculation of posterior distributions by data augmentation: comment*, 1987,
doi:10.2307/2289460, for the resampling; Kong, Liu, Wong, *Sequential imputations and Bayesian missing data
problems*, 1994, doi:10.1080/01621459.1994.10476469, for the effective number.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rheon.tables.encoding import Encoded
from rheon.tables.lines import NODES
from rheon.tables.proposal import Proposal
from rheon.tables.rows import RowDensity
from rheon.tables.whole import Codes, Floats, Whole, combinations, filled_in

_MOST = 1 << 15
"""Evaluations of the density for a row, at most, by which its unknown cells are drawn exactly."""

_TRIES = (512, 4096)
_ENOUGH = 100
"""Effective draws, below which more are tried."""

_TOGETHER = 1 << 15
"""Evaluations that are made together."""

_DRAWS = 4096
"""Of the model, to which proposals of numbers are fitted."""


@dataclass(frozen=True)
class Drawn:
    """N rows with their unknown cells drawn n times.

    ``codes`` (n, N, C) and ``y`` (n, N, D): numbers on grids have noise of half a step. ``effective``: (N,),
    the effective number of draws of which these were taken, infinite where they are exact.
    """

    codes: Codes
    y: Floats
    effective: Floats


class Imputing:
    """Draws of unknown cells.

    Args:
        model: the density.
        given: features of what each row is given, (N, M), or None.
    """

    def __init__(self, model: RowDensity, given: Tensor | None) -> None:
        self._model, self._given, self._whole = model, given, Whole.of(model, given)

    def draw(self, rows: Encoded, n: int, seed: int) -> Drawn:
        """Draws unknown codes and open numbers n times: a function of the rows, their order and the seed.

        Where no draw has a probability the effective number is 0.
        """
        whole, noisy = self._whole.bounded(rows.holes), self._whole.noisy(rows, seed)
        cost = np.array([self._cost(*row) for row in zip(rows.codes, rows.holes, strict=True)])
        codes, y = np.repeat(rows.codes[None], n, 0), np.repeat(rows.y[None], n, 0)
        drawn = Drawn(codes, y, np.full(len(rows), np.inf))
        exact = np.flatnonzero(cost <= _MOST)
        for some in _portions(exact, cost[exact]):
            self._exactly(whole, replace(rows, y=noisy), some, drawn, seed)
        left = np.flatnonzero(cost > _MOST)
        for tries in _TRIES:
            for some in _portions(left, np.full(len(left), tries)):
                self._weighted(whole, rows, some, tries, drawn, seed)
            left = left[drawn.effective[left] < _ENOUGH]
        return drawn

    def _cost(self, codes: Codes, holes: NDArray[np.bool_]) -> int:
        """Evaluations by which a row's unknown cells are drawn exactly; more than allowed if not."""
        encoding = self._model.encoding
        if combinations(codes, encoding.own_levels) > _MOST:
            return _MOST + 1
        open_ = (encoding.present(filled_in(codes, encoding.own_levels)) & holes).sum(1)
        return _MOST + 1 if open_.max(initial=0) > 1 else int(np.where(open_ == 1, NODES, 1).sum())

    def _exactly(self, whole: Whole, rows: Encoded, some: Codes, drawn: Drawn, seed: int) -> None:
        n, levels = len(drawn.codes), whole.encoding.own_levels
        ways = [filled_in(rows.codes[i], levels) for i in some]
        lengths = np.array([len(each) for each in ways])
        codes, row = np.concatenate(ways), np.repeat(some, lengths)
        present = whole.encoding.present(codes)
        y, open_ = np.where(present, rows.y[row], np.nan), present & rows.holes[row]
        lined: NDArray[np.bool_] = np.any(open_, axis=1)
        columns = open_.argmax(1)
        log_p = np.empty(len(codes))
        log_p[~lined] = whole.log_p(codes[~lined], y[~lined], row[~lined])
        lines = whole.lines(codes[lined], y[lined], columns[lined], row[lined]) if lined.any() else None
        if lines is not None:
            log_p[lined] = lines.log_mass
        starts = np.cumsum(lengths) - lengths
        each = np.split(log_p, starts[1:])
        u = np.stack([np.random.default_rng([seed, i]).random((2, n)) for i in some], 1)
        places = [start + _choose(own, share) for start, own, share in zip(starts, each, u[0], strict=True)]
        chosen = np.concatenate(places)
        drawn_y, on_line = y[chosen], np.flatnonzero(lined[chosen])
        if lines is not None and len(on_line):
            own_lines = lines.take((np.cumsum(lined) - 1)[chosen[on_line]])
            t = own_lines.draw(u[1].reshape(-1, 1)[on_line])[:, 0]
            part = drawn_y[on_line]
            whole.place(part, columns[chosen[on_line]], t)
            drawn_y[on_line] = part
        drawn.codes[:, some] = codes[chosen].reshape(len(some), n, -1).swapaxes(0, 1)
        drawn.y[:, some] = drawn_y.reshape(len(some), n, -1).swapaxes(0, 1)
        drawn.effective[some] = np.where(np.isfinite([own.max() for own in each]), np.inf, 0.0)

    def _weighted(
        self, whole: Whole, rows: Encoded, some: Codes, tries: int, drawn: Drawn, seed: int
    ) -> None:
        row = np.repeat(some, tries)
        first = int(some[0])
        generator = np.random.default_rng([seed, first, tries])
        given = None if self._given is None else self._given[row]
        codes, log_q = self._model.complete(rows.codes[row], given, int(generator.integers(2**62)))
        present = whole.encoding.present(codes)
        noise = generator.random(present.shape) - 0.5
        y = np.where(present, rows.y[row] + whole.encoding.on_grid * noise, np.nan)
        open_ = present & rows.holes[row]
        t, g = whole.t(y), self._model.seen(codes, given)
        for unknown in np.unique(open_, axis=0):
            mine = np.flatnonzero((open_ == unknown).all(1))
            if not unknown.any():
                continue
            values, log_own = self._proposal.draw(unknown, t[mine], g[mine], generator)
            log_q[mine] += log_own
            part = y[mine]
            for place, j in enumerate(np.flatnonzero(unknown)):
                log_q[mine] -= whole.place(part, np.full(len(mine), j), values[:, place])
            y[mine] = part
        log_w = (whole.log_p(codes, y, row) - log_q).reshape(len(some), tries)
        for k, i in enumerate(some):
            top = log_w[k].max()
            w = np.exp(log_w[k] - top) if np.isfinite(top) else np.ones(tries)
            drawn.effective[i] = w.sum() ** 2 / (w**2).sum() if np.isfinite(top) else 0.0
            shares = np.cumsum(w)
            taken = np.searchsorted(shares, generator.random(len(drawn.codes)) * shares[-1])
            drawn.codes[:, i], drawn.y[:, i] = codes[k * tries + taken], y[k * tries + taken]

    @cached_property
    def _proposal(self) -> Proposal:
        given = self._given
        if given is not None:
            given = given[torch.from_numpy(np.random.default_rng(0).integers(len(given), size=_DRAWS))]
        codes, y = self._model.sample(_DRAWS, given, 1.0, torch.Generator().manual_seed(0))
        return Proposal(self._whole.t(y), ~np.isnan(y), self._model.seen(codes, given))


def _choose(log_p: Floats, u: Floats) -> NDArray[np.int64]:
    """Places drawn by the probabilities, one for each share u of their sum."""
    top = log_p.max()
    shares = np.cumsum(np.exp(log_p - top) if np.isfinite(top) else np.ones(len(log_p)))
    return np.searchsorted(shares, u * shares[-1]).clip(max=len(shares) - 1)


def _portions(rows: Codes, cost: Codes) -> list[Codes]:
    """The rows in portions that cost about as much as is done together."""
    portion = np.cumsum(cost) // _TOGETHER
    return np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(rows) else []
