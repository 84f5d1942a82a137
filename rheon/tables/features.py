"""Codes and numbers as features that a network sees: fitted to training rows and fixed from then on."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor

from rheon.errors import ModelError
from rheon.tables.encoding import Encoding

_MOST = 32
_IMAGES = np.linspace(-3, 3, 65)
"""Of the quantiles that are kept."""


class Features:
    """g(c, y), (N, M) float32.

    A code becomes one 0-or-1 feature for each of its frequent levels but the commonest; ordered levels also a
    number, Φ⁻¹ of the share of training rows below the middle of the level. A number becomes Φ⁻¹ of its
    rank among training rows, from -3 to 3, and 0 where there is none. A level never seen has zeros.

    Args:
        codes: for each code a table of its levels' features, (L_j + 1, m_j).
        knots: quantiles of each number, (D, K), rising.
    """

    def __init__(self, codes: list[Tensor], knots: Tensor) -> None:
        self.codes, self.knots = codes, knots

    @property
    def width(self) -> int:
        """M."""
        return sum(table.shape[1] for table in self.codes) + len(self.knots)

    @classmethod
    def fit(cls, encoding: Encoding, codes: NDArray[np.int64], y: NDArray[np.float64]) -> Self:
        """The features that suit rows (c, y) of an encoding."""
        tables = []
        for place, column in enumerate(encoding.coded):
            levels = encoding.levels[place]
            seen = codes[:, place]
            counts = np.bincount(seen[(seen >= 0) & (seen < levels)], minlength=levels)
            ordered = len(column.categories) if column.kind == "ordinal" else 0
            tables.append(_table(counts, ordered))
        shares = ndtr(_IMAGES)
        knots = [np.quantile(column[~np.isnan(column)], shares) if _any(column) else shares for column in y.T]
        return cls(tables, torch.from_numpy(np.reshape(knots, (-1, len(_IMAGES)))))

    def of(self, codes: NDArray[np.int64], y: NDArray[np.float64] | None = None) -> Tensor:
        """g of rows; a code that is unknown has zeros, like a level never seen."""
        parts = self.of_codes(torch.from_numpy(codes))
        if y is not None:
            parts += [_rank(column, knots) for column, knots in zip(y.T, self.knots.numpy(), strict=True)]
        return torch.cat(parts, 1) if parts else torch.empty(len(codes), 0)

    def of_codes(self, codes: Tensor) -> list[Tensor]:
        """The features of each code, (N, m_j) each."""
        return [
            table.to(codes.device)[torch.where(codes[:, j] < 0, len(table) - 1, codes[:, j])]
            for j, table in enumerate(self.codes)
        ]

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` takes."""
        return {"knots": self.knots, **{f"codes{j}": table for j, table in enumerate(self.codes)}}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], encoding: Encoding) -> Self:
        """What ``tensors`` gave.

        Raises:
            ModelError: they are not features of such rows.
        """
        try:
            knots = tensors["knots"]
            codes = [tensors[f"codes{j}"] for j in range(len(encoding.levels))]
        except KeyError as error:
            raise ModelError(f"the weights lack {error}, of the features.") from None
        fits = all(
            t.dim() == 2 and len(t) == level + 1 and t.dtype == torch.float32
            for t, level in zip(codes, encoding.levels, strict=True)
        )
        if not fits or knots.dtype != torch.float64 or knots.dim() != 2 or knots.shape[1] != len(_IMAGES):
            raise ModelError("the tensors of the features do not fit the columns.")
        if not bool((knots.diff() >= 0).all()):
            raise ModelError("the quantiles of the features do not rise.")
        return cls(codes, knots)


def _table(counts: NDArray[np.int64], ordered: int) -> Tensor:
    """The features of each level and of one never seen; the first ``ordered`` levels have an order."""
    n, levels = counts.sum(), len(counts)
    least = max(3, 0.002 * n) if ordered < 3 else max(3, 0.02 * n)
    frequent = np.argsort(-counts, kind="stable")[:_MOST]
    frequent = np.sort([level for level in frequent[1:] if counts[level] >= least]).astype(int)
    table = np.zeros((levels + 1, len(frequent)), dtype=np.float32)
    table[frequent, np.arange(len(frequent))] = 1
    if ordered < 3:
        return torch.from_numpy(table)
    own = counts[:ordered] + 1e-3
    middle = (np.cumsum(own) - own / 2) / own.sum()
    rank = np.zeros((levels + 1, 1), dtype=np.float32)
    rank[:ordered, 0] = ndtri(middle).clip(-3, 3)
    return torch.from_numpy(np.concatenate((table, rank), 1))


def _rank(column: NDArray[np.float64], knots: NDArray[np.float64]) -> Tensor:
    # From both sides: a value that several quantiles share has the middle of their images.
    z = (np.interp(column, knots, _IMAGES) + np.interp(-column, -knots[::-1], _IMAGES[::-1])) / 2
    return torch.from_numpy(np.where(np.isnan(column), 0.0, z).astype(np.float32))[:, None]


def _any(column: NDArray[np.float64]) -> bool:
    return not np.isnan(column).all()
