"""Columns in any units → nearly normal, nearly independent ones, by maps that are fitted exactly.

    u = (y_σ - m) / s          columns in an order σ, and in units, of their own
    t = Q(u)                   each column through its smoothed quantiles to the normal distribution
    z = W (t - μ)              whitened by a shrunk covariance

A standard normal z is then the Gaussian copula of the columns. m and s are order statistics, and all that
follows is fitted to u rounded to a grid, in an order told by the rounded columns themselves: so a model
of the same table in other units, or with its columns in another order, is the same to the last bit.
"""

import hashlib
from typing import Self

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from rheon.bijections import Permutation, QuantileMap, Standardise, Whitening
from rheon.errors import DataError, ModelError, RheonError

_GRID = 2.0**18
"""Steps of the grid in one unit of u: coarse beside what other units round, fine beside any density."""

_KNOTS = (2, 4, 8, 16, 32, 64)
_TAILS = np.array([-4.0, -1.0, -0.5, 0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0])
_GAP = 2.0**-14
"""Least distance of two knots, in units of u: a value that comes again and again has a finite density."""

_WORTH = 0.025
"""Nats per row, times the root of their number, that twice as many knots must bring."""

_ENOUGH = 20_000
"""Rows to which the maps are fitted, at most: evenly spaced ones."""

_ENOUGH_TO_CHOOSE = 8_000
"""Rows by which the number of a column's knots is chosen, at most."""


class Preprocessing:
    """y → z with its log-determinant, all in float64.

    Args:
        units: m and s, in the table's own order of columns.
        order: σ.
        quantiles: Q.
        whitening: W and μ.
    """

    def __init__(
        self, units: Standardise, order: Permutation, quantiles: QuantileMap, whitening: Whitening
    ) -> None:
        self.layers = (units, order, quantiles, whitening)

    @classmethod
    def fit(cls, y: Tensor, *, curved: bool = True, whiten: bool = True) -> Self:
        """Fits all maps to rows y (N, D), float64, or to 20,000 of them.

        Without ``curved``, Q is a straight line in each column but for its tails; without ``whiten``, W = 1.

        Raises:
            DataError: a column does not vary.
        """
        y = y[:: -(-len(y) // _ENOUGH)]
        units = _units(y)
        u = rounded(units(y)[0])
        order = Permutation(_order(u))
        u = order(u)[0]
        quantiles = _quantiles(u.numpy(), _KNOTS if curved else _KNOTS[:1])
        white = _whitening(quantiles(u)[0].numpy()) if whiten else _no_whitening(u.shape[1])
        return cls(units, order, quantiles, white)

    @property
    def features(self) -> int:
        """D."""
        return len(self.layers[0].mean)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y (N, D) float64 → z, log|det ∂z/∂y|."""
        log_det = y.new_zeros(len(y))
        for layer in self.layers:
            y, log_det_i = layer(y)
            log_det = log_det + log_det_i
        return y, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """z (N, D) float64 → y."""
        for layer in reversed(self.layers):
            z, _ = layer.inverse(z)
        return z

    def training_rows(self, y: Tensor) -> Tensor:
        """z of rows to learn from, (N, D) float32: the same bits whatever the units of y."""
        units, order, quantiles, whitening = self.layers
        u, _ = order(rounded(units(y)[0]))
        return whitening(quantiles(u)[0])[0].float()

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` takes."""
        units, order, quantiles, whitening = self.layers
        return {
            "mean": units.mean,
            "scale": units.scale,
            "order": order.order,
            "knots": torch.stack((quantiles.x, quantiles.z, quantiles.slopes)),
            "tails": quantiles.tails,
            "centre": whitening.mean,
            "whitening": whitening.matrix,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        """What ``tensors`` gave; takes them out of the dict.

        Raises:
            ModelError: they are not such tensors.
        """
        names = ("mean", "scale", "order", "knots", "tails", "centre", "whitening")
        if missing := [name for name in names if name not in tensors]:
            raise ModelError(f"the weights lack {missing[0]!r}, of the columns' preprocessing.")
        mean, scale, order, knots, tails, centre, matrix = (tensors.pop(name) for name in names)
        real = all(t.dtype == torch.float64 for t in (mean, scale, knots, tails, centre, matrix))
        d = len(mean) if mean.dim() == 1 else 0
        shapes = [t.shape[:2] for t in (scale, order, tails, centre, matrix, knots)]
        if not real or shapes != [(d,), (d,), (d, 2), (d,), (d, d), (3, d)] or order.dtype != torch.int64:
            raise ModelError("the tensors of the columns' preprocessing do not fit one another.")
        try:
            return cls(
                Standardise(mean, scale),
                Permutation(order.tolist()),
                QuantileMap(knots[0], knots[1], knots[2], tails),
                Whitening(centre, matrix),
            )
        except RheonError as error:
            raise ModelError(f"the columns' preprocessing: {error}") from None


def standardising(mean: Tensor, scale: Tensor) -> Preprocessing:
    """(y - mean) / scale, and nothing else."""
    d = len(mean)
    one = torch.ones(d, 2, dtype=torch.float64)
    ends = one * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    return Preprocessing(
        Standardise(mean, scale),
        Permutation(list(range(d))),
        QuantileMap(ends, ends, one, -one),
        _no_whitening(d),
    )


def rounded(u: Tensor) -> Tensor:
    """u on the grid, or to 30 bits where it is large: what is rounded in other units is lost in this."""
    mantissa, exponent = torch.frexp(u)
    coarse = torch.ldexp(torch.round(mantissa * 2.0**30), exponent - 30)
    return torch.where(u.abs() < 4096, torch.round(u * _GRID) / _GRID, coarse)


def _units(y: Tensor) -> Standardise:
    """The median, and half the distance of the 16 % and 84 % quantiles, or of rarer ones if they coincide."""
    ranked = y.t().contiguous().sort(1).values.t()
    n = len(y)
    middle = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
    scale = torch.zeros_like(middle)
    for share in (0.16, 0.025, 0.002, 0.0):
        low = round(share * (n - 1))
        half_width = ranked[n - 1 - low] / 2 - ranked[low] / 2
        scale = torch.where(scale > 0, scale, half_width)
    if not bool((scale > 0).all()):
        column = int((scale <= 0).nonzero()[0])
        raise DataError(f"column {column + 1} does not vary among the training rows; leave it out.")
    return Standardise(middle, scale)


def _order(u: Tensor) -> list[int]:
    """The columns by the digests of their values."""
    digests = [hashlib.sha256(column.numpy().tobytes()).digest() for column in u.t().contiguous()]
    return sorted(range(len(digests)), key=lambda j: digests[j])


def _quantiles(u: np.ndarray, numbers: tuple[int, ...]) -> QuantileMap:
    columns = [_column(column, numbers) for column in u.T]
    most = max(len(x) for x, *_ in columns)

    def padded(rows: tuple[np.ndarray, ...]) -> Tensor:
        return torch.from_numpy(np.stack([np.pad(r, (0, most - len(r)), mode="edge") for r in rows]))

    x, z, slopes, tails = zip(*columns, strict=True)
    return QuantileMap(padded(x), padded(z), padded(slopes), torch.from_numpy(np.stack(tails)))


Column = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _column(u: np.ndarray, numbers: tuple[int, ...]) -> Column:
    """Knots, images, slopes and tails: with as many knots as give the rows left out the highest density."""
    some = u[:: -(-len(u) // _ENOUGH_TO_CHOOSE)]
    held_out = np.arange(len(some)) % 5 == 4
    learn, judge = np.sort(some[~held_out]), torch.from_numpy(some[held_out])[:, None]
    best, knots = -np.inf, 2
    for k in numbers:
        if k > 2 and k * k > len(learn):
            break
        x, z, slopes, tails = _curve(learn, k)
        row = QuantileMap(*(torch.from_numpy(part)[None] for part in (x, z, slopes, tails)))
        t, log_det = row(judge)
        value = float((log_det - t[:, 0] ** 2 / 2).mean())
        if value > best + _WORTH / len(judge) ** 0.5:
            best, knots = value, k
    return _curve(np.sort(u), knots)


def _curve(ranked: np.ndarray, knots: int) -> Column:
    """Quantiles of the sorted column at equal shares; a straight line by mean and deviation for two."""
    n = len(ranked)
    edge = min(max(0.01, 10 / n), 0.2)
    shares = np.linspace(edge, 1 - edge, max(knots, 2))
    z = ndtri(shares)
    if knots == 2:
        x = _straight(ranked, z)
    else:
        x = np.quantile(ranked, shares, method="hazen")
    steps = _GAP * np.arange(len(x))
    x = np.maximum.accumulate(x - steps) + steps
    secants = np.diff(z) / np.diff(x)
    slopes = np.concatenate((secants[:1], np.sqrt(secants[1:] * secants[:-1]), secants[-1:]))
    tails = np.array(
        [
            _tail_index((x[0] - ranked[ranked < x[0]]) * slopes[0], -z[0]),
            _tail_index((ranked[ranked > x[-1]] - x[-1]) * slopes[-1], z[-1]),
        ]
    )
    return x, z, slopes, tails


def _straight(ranked: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The line through the two knots with mean and deviation of the column, its extremes left out."""
    low, high = np.quantile(ranked, (0.16, 0.84), method="hazen")
    reach = 50 * (high - low) or np.inf
    inner = ranked[len(ranked) // 100 : len(ranked) - len(ranked) // 100].clip(low - reach, high + reach)
    scale = max((high - low) / 2, inner.std(), _GAP)
    return inner.mean() + scale * z


def _tail_index(v: np.ndarray, knot: float) -> float:
    """τ of highest likelihood for rows at the distances v beyond a knot at |z| = ``knot``."""
    if len(v) < 3:
        return -1.0
    scores = []
    v = v.clip(max=1e100)  # whose square is a number
    for tau in _TAILS:
        if tau > 0:
            grown = np.log1p(tau * knot * v)
            excess, log_rate = grown / tau, np.log(knot) - grown
        else:
            excess, log_rate = knot * v - tau * v * v / 2, np.log(knot - tau * v)
        z_squared = knot * knot + 2 * excess
        scores.append(np.sum(log_rate - np.log(z_squared) / 2 - z_squared / 2))
    return float(_TAILS[int(np.argmax(np.array(scores) - 0.5 * (_TAILS != -1.0)))])


def _whitening(t: np.ndarray) -> Whitening:
    """z = C^(-½) (t - μ), C the covariance, shrunk as Ledoit and Wolf say."""
    from sklearn.covariance import ledoit_wolf

    centre = t.mean(0)
    covariance, _ = ledoit_wolf(t - centre, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-9 * values[-1])
    return Whitening(torch.from_numpy(centre), torch.from_numpy((vectors / np.sqrt(values)) @ vectors.T))


def _no_whitening(d: int) -> Whitening:
    return Whitening(torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64))
