"""p(row) = Π_j p(column j): columns that know nothing of each other, which a joint density must beat."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from rheon.tables.categorical import CategoricalHeads
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.margins import Margins
from rheon.tables.mixed import row_noise


class Independent:
    """The smoothed shares of codes, and the smoothed quantiles of numbers, each column for itself.

    Args:
        encoding: of the rows.
        rows: to learn from.
        seed: of the dequantisation noise.
    """

    def __init__(self, encoding: Encoding, rows: Encoded, seed: int = 0) -> None:
        self._encoding, self._seed = encoding, seed
        self._margins = Margins.fit(self._noisy(rows))
        self._heads = None
        if encoding.levels:
            self._heads = CategoricalHeads(encoding.levels, width=1)
            self._heads.prime(torch.from_numpy(rows.codes), encoding.closed)

    @torch.no_grad()
    def log_prob(self, rows: Encoded) -> NDArray[np.float64]:
        """log p of each row with nothing unknown, (N,), in nats."""
        noisy = self._noisy(rows)
        z, log_p = self._margins.forward(torch.from_numpy(noisy))
        normal = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
        log_p += normal.where(torch.from_numpy(~np.isnan(noisy)), 0).sum(1)
        if self._heads is not None:
            log_p += self._heads.independent(torch.from_numpy(rows.codes)).double()
        return log_p.numpy() - self._encoding.log_cells(rows.y)

    def _noisy(self, rows: Encoded) -> NDArray[np.float64]:
        return rows.y + self._encoding.on_grid * (row_noise(rows.codes, rows.y, self._seed, 0) - 0.5)
