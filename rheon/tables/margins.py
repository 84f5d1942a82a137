"""Columns of numbers, some of them absent → nearly normal ones, each by a map of its own."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from rheon.bijections import Permutation, QuantileMap, Standardise, Whitening
from rheon.tables.preprocessing import Preprocessing

_LEAST = 20


class Margins:
    """z_j = Q_j(y_j) where y_j is there, else 0; log|det| counts those that are there.

    Args:
        maps: one for each column.
    """

    def __init__(self, maps: list[Preprocessing]) -> None:
        self.maps = maps

    @classmethod
    def fit(cls, y: NDArray[np.float64]) -> "Margins":
        """The maps of the columns' smoothed quantiles, from rows (N, D) with NaN where there is no number."""
        return cls([_map(column[~np.isnan(column)]) for column in y.T])

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> "Margins":
        """The maps of single columns that a preprocessing whitens afterwards."""
        return cls([_one_column(preprocessing, j) for j in range(len(preprocessing.layers[0].mean))])

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y (N, D) float64 → z, log|det ∂z/∂y|."""
        z, log_det = torch.zeros_like(y), y.new_zeros(len(y))
        for j, map_ in enumerate(self.maps):
            there = ~torch.isnan(y[:, j])
            z_j, log_slope = map_.forward(torch.where(there, y[:, j], _middle(map_))[:, None])
            z[:, j] = torch.where(there, z_j[:, 0], 0.0)
            log_det += torch.where(there, log_slope, 0.0)
        return z, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """z (N, D) float64 → y."""
        columns = [map_.inverse(z[:, j : j + 1]) for j, map_ in enumerate(self.maps)]
        return torch.cat(columns, 1) if columns else z

    def points(self, j: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """y_j of z_j (N,), and log dy/dz."""
        y = self.maps[j].inverse(z[:, None])
        return y[:, 0], -self.maps[j].forward(y)[1]

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` takes."""
        named = (map_.tensors() for map_ in self.maps)
        return {f"{j}.{name}": t for j, tensors in enumerate(named) for name, t in tensors.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], columns: int) -> "Margins":
        """What ``tensors`` gave, of so many columns; a :class:`~rheon.ModelError` where it is not."""
        own = [
            {name.removeprefix(f"{j}."): t for name, t in tensors.items() if name.startswith(f"{j}.")}
            for j in range(columns)
        ]
        return cls([Preprocessing.from_tensors(named) for named in own])


def _one_column(preprocessing: Preprocessing, j: int) -> Preprocessing:
    units, order, quantiles, _ = preprocessing.layers
    k = order.order.tolist().index(j)
    one = slice(k, k + 1)
    return Preprocessing(
        Standardise(units.mean[j : j + 1], units.scale[j : j + 1]),
        Permutation([0]),
        QuantileMap(quantiles.x[one], quantiles.z[one], quantiles.slopes[one], quantiles.tails[one]),
        Whitening(torch.zeros(1, dtype=torch.float64), torch.eye(1, dtype=torch.float64)),
    )


def _middle(map_: Preprocessing) -> Tensor:
    return map_.layers[0].mean[0]


def _map(values: NDArray[np.float64]) -> Preprocessing:
    """Few values, or such as do not vary, get company of a width like their own size."""
    spread = values.max() - values.min() if len(values) else 0.0
    if len(values) < _LEAST or not spread > 0:
        centre = values.mean() if len(values) else 0.0
        width = spread or max(abs(centre) * 1e-3, 1e-300)
        values = np.concatenate((values, centre + width * ndtri((np.arange(_LEAST) + 0.5) / _LEAST)))
    return Preprocessing.fit(torch.from_numpy(values)[:, None], whiten=False)
