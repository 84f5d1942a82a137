"""The density of complete rows, as everything wants it that fills in cells or leaves some out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rheon.tables.encoding import UNKNOWN, Encoded, Encoding
from rheon.tables.lines import Lines
from rheon.tables.margins import Margins
from rheon.tables.mixed import row_noise
from rheon.tables.rows import RowDensity

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Whole:
    """The density of complete rows (c, y), each given what is known besides.

    ``encoding`` and ``margins``: of the rows. ``log_p(codes, y, row)``: log p(c, y), (K,), per unit of y,
    whose numbers on grids have their noise; row is what it is given by.
    """

    encoding: Encoding
    margins: Margins
    log_p: Callable[[Codes, Floats, Codes], Floats]

    @classmethod
    def of(cls, model: RowDensity, given: Tensor | None) -> "Whole":
        """That of rows, each given features (N, M), or nothing."""

        def log_p(codes: Codes, y: Floats, row: Codes) -> Floats:
            return model.density(codes, y, None if given is None else given[row])

        return cls(model.encoding, model.margins, log_p)

    def noisy(self, rows: Encoded, seed: int) -> Floats:
        """y with the noise of numbers on grids: a function of the row."""
        grid = self.encoding.on_grid
        return rows.y + grid * (row_noise(rows.codes, rows.y, seed, 0) - 0.5) if grid.any() else rows.y

    def t(self, y: Floats) -> Floats:
        """Numbers made nearly normal one by one, (N, D), 0 where there is none."""
        return self.margins.forward(torch.from_numpy(y))[0].numpy()

    def place(self, y: Floats, columns: Codes, t: Floats) -> Floats:
        """Sets y[i, columns[i]] to the value of t_i, (N,), and returns log dy/dt."""
        log_slope = np.empty(len(t))
        for j in np.unique(columns):
            mine = np.flatnonzero(columns == j)
            value, slope = self.margins.points(int(j), torch.from_numpy(t[mine]))
            y[mine, j], log_slope[mine] = value.numpy(), slope.numpy()
        return log_slope

    def bounded(self, holes: NDArray[np.bool_]) -> "Whole":
        """The same where unknown numbers, ``holes`` (N, D), are such as samples may be; none beyond that."""

        def log_p(codes: Codes, y: Floats, row: Codes) -> Floats:
            within = (self.encoding.within(y) | ~holes[row]).all(1)
            found = np.full(len(y), -np.inf)
            found[within] = self.log_p(codes[within], y[within], row[within])
            return np.where(np.isnan(found), -np.inf, found)

        return replace(self, log_p=log_p)

    def lines(
        self, codes: Codes, y: Floats, columns: Codes, row: Codes, through: Floats | None = None
    ) -> Lines:
        """The densities of one number each, ``columns`` (K,), in K rows that have the others."""

        def density(of: Codes, t: Floats) -> tuple[Floats, Floats]:
            filled = y[of]
            log_slope = self.place(filled, columns[of], t)
            return self.log_p(codes[of], filled, row[of]), log_slope

        return Lines.of(density, len(codes), through)


def combinations(codes: Codes, levels: tuple[int, ...]) -> int:
    """How many ways there are to fill in a row's unknown codes."""
    return prod(levels[j] for j in np.flatnonzero(codes == UNKNOWN))


def filled_in(codes: Codes, levels: tuple[int, ...]) -> Codes:
    """All ways to fill in a row's unknown codes, (K, C), in the order of levels."""
    unknown = np.flatnonzero(codes == UNKNOWN)
    every = np.repeat(codes[None], combinations(codes, levels), 0)
    every[:, unknown] = np.array(list(product(*(range(levels[j]) for j in unknown)))).reshape(len(every), -1)
    return every
