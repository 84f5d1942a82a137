"""How ordinary a score is: its place among those of the rows that were learned from."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rheon.errors import ModelError, RheonError

Floats = NDArray[np.float64]

_QUANTILES = 1001


class Ordinary:
    """Quantiles of log p over training rows.

    The rows were learned from, and so score a little better than new ones do: of new rows of the same kind
    somewhat more than a share s lie below the quantile s, the more the fewer rows there were.

    Args:
        quantiles: at equal shares from 0 to 1, (1001,), float64, rising.

    Raises:
        ModelError: they are not such quantiles.

    >>> ordinary = Ordinary.of(np.arange(2001.0))
    >>> ordinary.percentile(np.array([-1.0, 500.0, 9999.0])).tolist(), ordinary.threshold(0.01)
    ([0.0, 25.0, 100.0], 20.0)
    """

    def __init__(self, quantiles: Tensor) -> None:
        if quantiles.shape != (_QUANTILES,) or quantiles.dtype != torch.float64:
            raise ModelError(f"the quantiles of training scores must be {_QUANTILES} numbers in float64.")
        if not bool((quantiles.diff() >= 0).all()):
            raise ModelError("the quantiles of training scores do not rise.")
        self.quantiles = quantiles

    @classmethod
    def of(cls, scores: Floats) -> Self:
        """Those of scores (N,)."""
        finite = np.nan_to_num(scores, neginf=-1e300, posinf=1e300)
        return cls(torch.from_numpy(np.quantile(finite, np.linspace(0, 1, _QUANTILES))))

    def percentile(self, scores: Floats) -> NDArray[np.float32]:
        """The share of training rows that score as low or lower, in percent, (N,)."""
        known = self.quantiles.numpy()
        after = np.searchsorted(known, scores, "right")
        before = np.clip(after - 1, 0, _QUANTILES - 2)
        width = known[before + 1] - known[before]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            along = np.where(width > 0, (scores - known[before]) / width, 1.0).clip(0, 1)
        return (100 * (before + along) / (_QUANTILES - 1)).astype(np.float32)

    def threshold(self, share: float) -> float:
        """Below it scores the share of training rows."""
        if not 0 < share <= 1:
            raise RheonError(f"contamination must be above 0 and at most 1, got {share!r}.")
        return float(np.interp(share, np.linspace(0, 1, _QUANTILES), self.quantiles.numpy()))
