"""What is unknown in a row is summed out, where it has levels, and integrated out, where it is a number.

    p(known) = Σ_c ∫ p(c, y) dy

The sum runs over all levels. One unknown number is integrated by quadrature, exactly to about 1e-6; more
of them by importance sampling, whose logarithm is in expectation a lower bound.
"""

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from rheon.errors import DataError
from rheon.noise import bits_of
from rheon.tables.encoding import UNKNOWN, Encoded, Encoding
from rheon.tables.margins import Margins

MOST_SUMMED = 4096
"""Combinations of unknown levels in a row, at most."""

_PANELS, _NODES, _REACH = 300, 4, 10.0
_DRAWS = 512
_WIDER = 1.3
"""Numbers are drawn from a normal distribution so much wider than that of the column."""

Score = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


class Completing:
    """Rows with something unknown, as weighted complete rows.

    Args:
        encoding: of the rows.
        margins: of their numbers.
        rows: those to complete.
        draws: how many times 512 samples are drawn where two numbers or more are unknown.
        seed: of these.
    """

    def __init__(self, encoding: Encoding, margins: Margins, rows: Encoded, draws: int, seed: int) -> None:
        self._encoding, self._margins, self._rows = encoding, margins, rows
        self._draws, self._seed = _DRAWS * draws, seed

    def log_sum(self, score: Score) -> NDArray[np.float64]:
        """log Σ weight · p of each row; ``score(codes, y, row)`` gives log p of complete rows."""
        total = np.full(len(self._rows), -math.inf)
        for row in range(len(self._rows)):
            for codes, y, log_weight in self._completions(row):
                of = np.full(len(codes), row)
                total[row] = np.logaddexp(total[row], np.logaddexp.reduce(score(codes, y, of) + log_weight))
        return total

    def _completions(
        self, row: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
        codes, y, holes = self._rows.codes[row], self._rows.y[row], self._rows.holes[row]
        unknown = np.flatnonzero(codes == UNKNOWN)
        levels = [self._encoding.levels[j] for j in unknown]
        if math.prod(levels) > MOST_SUMMED:
            names = ", ".join(self._encoding.coded[j].name for j in unknown[:6])
            raise DataError(
                f"a row lacks {len(unknown)} values that never were missing in training ({names}): they can "
                f"be {math.prod(levels):,} together, and at most {MOST_SUMMED:,} can be summed over"
            )
        every = np.repeat(codes[None], math.prod(levels), 0)
        every[:, unknown] = np.array(list(product(*map(range, levels)))).reshape(len(every), -1)
        open_ = self._encoding.present(every) & holes
        values = np.where(self._encoding.present(every), y, math.nan)
        closed = ~open_.any(1)
        if closed.any():
            yield every[closed], values[closed], np.zeros(int(closed.sum()))
        for codes_i, y_i, open_i in zip(every[~closed], values[~closed], open_[~closed], strict=True):
            points, log_weight = self._points(np.flatnonzero(open_i), codes_i, y_i)
            filled = np.repeat(y_i[None], len(points), 0)
            filled[:, open_i] = points
            yield np.repeat(codes_i[None], len(points), 0), filled, log_weight

    def _points(
        self, columns: NDArray[np.int64], codes: NDArray[np.int64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of unknown numbers, (K, columns), and the logarithms of their weights."""
        if len(columns) == 1:
            z, log_weight = _quadrature()
            z = z[:, None]
        else:
            words = np.concatenate((codes, np.nan_to_num(y).view(np.int64))).astype(np.uint64)[None]
            bits = bits_of(words, self._draws * len(columns), self._seed, 0) >> np.uint64(11)
            z = _WIDER * ndtri((bits.astype(np.float64) + 0.5) * 2.0**-53).reshape(-1, len(columns))
            normal = -0.5 * (z / _WIDER) ** 2 - math.log(_WIDER * math.sqrt(2 * math.pi))
            log_weight = -normal.sum(1) - math.log(self._draws)
        values = np.empty_like(z)
        for place, j in enumerate(columns):
            value, log_slope = self._margins.points(int(j), torch.from_numpy(z[:, place].copy()))
            values[:, place] = value.numpy()
            log_weight = log_weight + log_slope.numpy()
        return values, log_weight


def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points on [-10, 10] and the logarithms of their weights: Gauss and Legendre, panel by panel."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    edges = np.linspace(-_REACH, _REACH, _PANELS + 1)
    half = (edges[1] - edges[0]) / 2
    z = ((edges[:-1] + half)[:, None] + half * nodes).ravel()
    return z, np.log(np.tile(half * weights, _PANELS))
