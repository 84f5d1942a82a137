"""A Gaussian mixture of a number of components, and of a width, that rows left out decide."""

import math
import warnings

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from rheon.tables.mixture import Mixture

_COMPONENTS = (1, 2, 4, 8, 16, 32)

_RIDGES = (1e-2, 1e-3, 1e-1)
"""Added to each variance, where those of the whole are 1: wide before narrow, since columns of whole numbers
are nearly singular."""

_WORK = 2e7
"""Rows times D² that the mixture learns from, at most: it should take seconds."""


def clusters(z: Tensor, folds: list[tuple[Tensor, Tensor]], seed: int) -> tuple[Mixture, Tensor]:
    """Learns a mixture from z (N, D), standardised, for each fold (rows to learn from, rows left out).

    Their mean is the mixture. Components and ridge are those that do best on the first fold; with many
    rows only the first of the ridges is tried. Returns also log p of each row under the mixture that has
    not learned from it, where there is one, else NaN.
    """
    rows = z.double().numpy()
    most = int(min(max(_WORK / rows.shape[1] ** 2, 1000), 20_000))
    learn, judge = (part.numpy() for part in folds[0])
    best, chosen = -math.inf, (1, _RIDGES[0])
    with threadpool_limits(1, "blas"):
        for ridge in _RIDGES if len(learn) < 2000 else _RIDGES[:1]:
            last = -math.inf
            for k in _COMPONENTS:
                if k > 1 and k * (rows.shape[1] + 2) > len(learn):
                    break
                value = _gmm(rows[learn[:most]], k, ridge, seed).score(rows[judge[:most]])
                if value > best:
                    best, chosen = value, (k, ridge)
                if value < last:
                    break
                last = value
        found = [_gmm(rows[learn.numpy()[:most]], *chosen, seed) for learn, _ in folds]
        held_out = np.full(len(rows), np.nan)
        for mixture, (_, left_out) in zip(found, folds, strict=True):
            held_out[left_out.numpy()] = mixture.score_samples(rows[left_out.numpy()])
    names = ("weights_", "means_", "precisions_cholesky_")
    parts = [Mixture(*(torch.from_numpy(getattr(m, name)) for name in names)) for m in found]
    return Mixture.blend(parts, torch.ones(len(parts), dtype=torch.float64)), torch.from_numpy(held_out)


def _gmm(rows: np.ndarray, components: int, ridge: float, seed: int):  # type: ignore[no-untyped-def]
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        components, reg_covar=ridge, init_params="k-means++", max_iter=60, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(rows)
