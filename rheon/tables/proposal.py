"""Unknown numbers drawn near where the model has them, with the density that they are drawn by.

    t_U = B [1, t_K, g] + e,    e ~ Student's t with 5 degrees of freedom and the residuals' covariance

t are numbers made nearly normal one by one, U the unknown and K the known ones, g features of what else is
known. B and the covariance are those of draws from the model itself. Heavy tails keep weights p / q bounded.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FREEDOM = 5.0
_RIDGE = 1e-3


class Proposal:
    """q(t_U | t_K, g), fitted to draws.

    Args:
        t: numbers of draws, (S, D), 0 where there is none.
        there: which are there, (S, D).
        g: features, (S, F).
    """

    def __init__(self, t: Floats, there: NDArray[np.bool_], g: Floats) -> None:
        self._t, self._there, self._g = t, there, g
        self._fits: dict[bytes, tuple[NDArray[Any], NDArray[Any]]] = {}

    def draw(
        self, unknown: NDArray[np.bool_], t: Floats, g: Floats, generator: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Draws of the ``unknown`` (D,) numbers, (N, U), and log q of each, (N,); t (N, D), g (N, F)."""
        slope, root = self._fit(unknown)
        n, u = len(t), int(unknown.sum())
        noise = generator.standard_normal((n, u))
        noise *= np.sqrt(_FREEDOM / generator.chisquare(_FREEDOM, n))[:, None]
        drawn = _with_one(t[:, ~unknown], g) @ slope + noise @ root.T
        log_q = (
            math.lgamma((_FREEDOM + u) / 2)
            - math.lgamma(_FREEDOM / 2)
            - u / 2 * math.log(_FREEDOM * math.pi)
            - np.log(np.diag(root)).sum()
            - (_FREEDOM + u) / 2 * np.log1p((noise**2).sum(1) / _FREEDOM)
        )
        return drawn, log_q

    def _fit(self, unknown: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        """B, (1 + D - U + F, U), and the Cholesky root of the covariance, (U, U)."""
        key = unknown.tobytes()
        if key not in self._fits:
            rows = self._there[:, unknown].all(1)
            known = _with_one(self._t[rows][:, ~unknown], self._g[rows])
            wanted = self._t[rows][:, unknown]
            # A little of a standard normal distribution, for what few draws say nothing of.
            ridge = 1 + _RIDGE * len(known)
            gram = known.T @ known + ridge * np.eye(known.shape[1])
            slope = np.linalg.solve(gram, known.T @ wanted)
            rest = wanted - known @ slope
            own = np.eye(wanted.shape[1])
            covariance = (rest.T @ rest + own) / (len(rest) + 1) + 1e-6 * own
            self._fits[key] = slope, np.linalg.cholesky(covariance)
        return self._fits[key]


def _with_one(t: Floats, g: Floats) -> Floats:
    return np.concatenate((np.ones((len(t), 1)), t, g), 1)
