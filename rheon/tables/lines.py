"""Densities of one number, many side by side, by quadrature at nodes that go where the mass is.

    P_i = ∫ p_i(y) dy = ∫ p_i(y(z)) y'(z) dz

z is what makes the number nearly normal on the whole; given others it may be far narrower, and anywhere.
"""

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Density = Callable[[NDArray[np.int64], Floats], tuple[Floats, Floats]]
"""(numbers of lines, z) → (log p(y(z)), log dy/dz), all (M,)."""

_REACH, _FIRST = 10.0, 129
_ROUNDS, _HALVED = 8, 16
_BEYOND = 5.0
NODES = 2 * (_FIRST + _ROUNDS * _HALVED) - 1
"""Evaluations that a line takes; a few more where places are named."""


class Lines:
    """N densities, each at K nodes: K - 1 is even, and every second node is in the middle of its neighbours.

    Each round halves the intervals that may hold most of the mass; Simpson's rule does the rest.

    Args:
        z: the nodes, rising, (N, K).
        log_p: log p(y(z)) there.
        log_slope: log dy/dz there.

    >>> lines = Lines.of(lambda line, z: (-0.5 * ((z - line) / 1e-3) ** 2, 0 * z), 3)
    >>> bool(np.allclose(lines.log_mass, np.log(1e-3 * np.sqrt(2 * np.pi)), atol=1e-5))
    True
    """

    def __init__(self, z: Floats, log_p: Floats, log_slope: Floats) -> None:
        self.z, self.log_p, self.log_slope = z, log_p, log_slope
        self._log = log_p + log_slope
        self._top = self._log.max(1)
        finite = np.where(np.isfinite(self._top), self._top, 0.0)
        self._height = np.exp(self._log - finite[:, None])
        thirds = (z[:, 2::2] - z[:, :-2:2]) / 6
        weights = np.zeros_like(z)
        weights[:, :-2:2] += thirds
        weights[:, 2::2] += thirds
        weights[:, 1::2] = 4 * thirds
        self._shares = weights * self._height
        with np.errstate(divide="ignore"):
            self.log_mass: Floats = np.log(self._shares.sum(1)) + finite
        """log P_i, (N,)."""

    @classmethod
    def of(cls, density: Density, n: int, through: Floats | None = None) -> Self:
        """n densities; ``through``: places where there may be mass, (n, m), such as a value that was seen."""
        z = np.tile(np.linspace(-_REACH, _REACH, _FIRST), (n, 1))
        if through is not None:
            ends = np.stack((through.min(1) - _BEYOND, through.max(1) + _BEYOND), 1)
            z = np.sort(np.concatenate((z, through, ends), 1), 1)
        values = _at(density, z)
        for _ in range(_ROUNDS):
            wide = np.diff(z)
            log = values.sum(0)
            with np.errstate(divide="ignore"):
                promise = np.log(wide) + np.maximum(log[:, 1:], log[:, :-1])
            chosen = np.argpartition(promise, -_HALVED, axis=1)[:, -_HALVED:]
            new = np.take_along_axis(z, chosen, 1) + np.take_along_axis(wide, chosen, 1) / 2
            z, values = np.concatenate((z, new), 1), np.concatenate((values, _at(density, new)), 2)
            order = np.argsort(z, axis=1, kind="stable")
            z, values = np.take_along_axis(z, order, 1), np.take_along_axis(values, order[None], 2)
        nodes = np.empty((n, 2 * z.shape[1] - 1))
        nodes[:, ::2], nodes[:, 1::2] = z, (z[:, 1:] + z[:, :-1]) / 2
        every = np.empty((2, *nodes.shape))
        every[:, :, ::2], every[:, :, 1::2] = values, _at(density, nodes[:, 1::2])
        return cls(nodes, *every)

    def take(self, lines: NDArray[np.int64]) -> "Lines":
        """These lines."""
        return Lines(self.z[lines], self.log_p[lines], self.log_slope[lines])

    @property
    def mean_log_p(self) -> Floats:
        """∫ p log p dy / P, (N,): less log P, and with a minus, the entropy."""
        told = np.where(self._shares > 0, self.log_p, 0.0)
        return (self._shares * told).sum(1) / np.maximum(self._shares.sum(1), 1e-300)

    def draw(self, u: Floats) -> Floats:
        """z at which a share u of the mass lies below, for u (N, n) in (0, 1)."""
        left, right = self._height[:, :-1], self._height[:, 1:]
        below = np.cumsum((left + right) / 2 * np.diff(self.z), 1)
        drawn = np.empty_like(u)
        for i, row in enumerate(below):
            cell = np.searchsorted(row, u[i] * row[-1]).clip(max=len(row) - 1)
            start = np.where(cell > 0, row[cell - 1], 0.0)
            share = (u[i] * row[-1] - start) / np.maximum(row[cell] - start, 1e-300)
            a, b = left[i, cell], right[i, cell]
            # The density is a straight line in a cell, and its integral a parabola.
            root = np.sqrt(np.maximum(a * a + share * (b * b - a * a), 0.0))
            along = share * (a + b) / np.maximum(a + root, 1e-300)
            drawn[i] = self.z[i, cell] + along.clip(0, 1) * (self.z[i, cell + 1] - self.z[i, cell])
        return drawn


def _at(density: Density, z: Floats) -> Floats:
    n, k = z.shape
    log_p, log_slope = density(np.repeat(np.arange(n), k), z.ravel())
    return np.stack((log_p.reshape(n, k), log_slope.reshape(n, k)))
