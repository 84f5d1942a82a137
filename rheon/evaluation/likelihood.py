"""What stands beside every likelihood: densities that need no flow and are fitted in seconds.

In the units of rheon's models: bits per dimension of integer images, -log₂ P(x) / D, or nats per row, log
p(x). A flow that does not beat them has learned nothing.
"""

import warnings
from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheon.errors import RheonError

Floats = NDArray[np.float64]

_COMPONENTS = (1, 2, 5, 10, 20, 50, 100)
_RIDGE = tuple(10 ** (-k / 2) for k in range(1, 13))  # added to variances, in units of each column's variance
_MOST_ROWS = 20_000


def histogram_bits_per_dim(train: ArrayLike, test: ArrayLike, levels: int) -> float:
    """-log₂ P(x) / D of integer images, or rows, by one histogram for each pixel, all independent.

    P_j(k) = (n_jk + α) / (N + α L), from the counts n_jk of N training images, with that pseudo-count α of
    2⁻¹² … 2⁶ which predicts each training image best from the others (leave one out, in closed form).

    Args:
        train: (N, …), whole numbers 0 … levels - 1.
        test: (M, …), likewise.
        levels: L, the number of grey levels: 256 usually, 17 for scikit-learn's digits.

    Raises RheonError where a value is no level or the shapes differ.

    >>> coins = np.tile([[0, 0], [1, 0]], (500, 1))
    >>> round(histogram_bits_per_dim(coins, coins, levels=2), 2)
    0.5
    """
    train, test = _integers("train", train, levels), _integers("test", test, levels)
    _same_width(train, test)
    n, dims = train.shape
    if n < 2:
        raise RheonError("train must hold at least 2 images, one to predict from the other; got 1.")
    places = train + levels * np.arange(dims)
    counts = np.bincount(places.ravel(), minlength=levels * dims).reshape(dims, levels)
    seen = counts[counts > 0]

    def left_out(alpha: float) -> float:
        """Σ log P(x_ij), each from the other images."""
        return float((seen * np.log(seen - 1 + alpha)).sum() - n * dims * np.log(n - 1 + alpha * levels))

    alpha = max((2.0**k for k in range(-12, 7)), key=left_out)
    log_p = np.log((counts + alpha) / (n + alpha * levels))
    return float(-log_p[np.arange(dims), test].mean() / log(2))


def mixture_bits_per_dim(
    train: ArrayLike, validation: ArrayLike, test: ArrayLike, levels: int, seed: int = 0, draws: int = 3
) -> float:
    """-log₂ p(x + u) / D of integer images by a mixture of Gaussians, u uniform on [0, 1)^D.

    An upper bound of -log₂ P(x) / D, like a flow's: one level is one unit of x + u, and the mean over u of
    -log p(x + u) is at least -log of the mean. Each image is learned and tested with several draws of u.

    Args:
        train: (N, …), whole numbers 0 … levels - 1; validation and test likewise.
        levels: L.
        seed: of the noise, and of the mixture's start.
        draws: of u for each image.

    Raises RheonError where a value is no level or the shapes differ.
    """
    rng = np.random.default_rng(seed)

    def noisy(name: str, images: ArrayLike) -> Floats:
        x = np.tile(_integers(name, images, levels), (draws, 1))
        return np.asarray(x + rng.random(x.shape), dtype=np.float64)

    x, held_out, tested = noisy("train", train), noisy("validation", validation), noisy("test", test)
    return float(-mixture_log_prob(x, held_out, tested, seed).mean() / (tested.shape[1] * log(2)))


def mixture_log_prob(train: ArrayLike, validation: ArrayLike, test: ArrayLike, seed: int = 0) -> Floats:
    """log p(x) of each test row, (M,), in nats, by a mixture of Gaussians with full covariances.

    The number of components (1 … 100) and the ridge on the covariances (10^-0.5 … 1e-6 of each column's
    variance) are those that the validation rows like best: from 5 components and 0.1, one step at a time to
    a better neighbour. The mixture is then fitted again, to the training and validation rows together.
    20,000 rows at most are used.

    Args:
        train: (N, D), numbers in any units; validation and test likewise.
        seed: of the mixture's start, and of the rows that are kept.

    Raises RheonError where values are not finite, the widths differ, or a column does not vary.
    """
    train, validation, test = (
        _rows(name, x) for name, x in (("train", train), ("validation", validation), ("test", test))
    )
    _same_width(train, validation, test)
    mean, scale = _units(train)
    rng = np.random.default_rng(seed)
    known = {"train": train, "both": np.concatenate((train, validation))}
    for name, x in known.items():
        kept = rng.permutation(len(x))[:_MOST_ROWS]
        known[name] = (x[kept] - mean) / scale
    held_out = (validation - mean) / scale
    scores: dict[tuple[int, int], float] = {}

    def score(place: tuple[int, int]) -> float:
        k, ridge = place
        inside = 0 <= k < len(_COMPONENTS) and 0 <= ridge < len(_RIDGE)
        if not inside or _COMPONENTS[k] * 2 > len(known["train"]):
            return -np.inf
        if place not in scores:
            scores[place] = _mixture(known["train"], place, seed).score(held_out)
        return scores[place]

    place = (2, 1)
    while place[0] and score(place) == -np.inf:
        place = (place[0] - 1, place[1])
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    while better := next(
        (q for q in ((place[0] + i, place[1] + j) for i, j in steps) if score(q) > score(place)), None
    ):
        place = better
    final = _mixture(known["both"], place, seed)
    return np.asarray(final.score_samples((test - mean) / scale) - np.log(scale).sum(), dtype=np.float64)


def gaussian_log_prob(train: ArrayLike, test: ArrayLike) -> Floats:
    """log p(x) of each test row, (M,), in nats, by one Gaussian with a full covariance.

    The covariance is shrunk towards the diagonal as Ledoit and Wolf do (2004), in units of each column's
    standard deviation, so that columns which repeat each other are no obstacle.

    Raises RheonError where values are not finite, the widths differ, or a column does not vary.

    >>> rng = np.random.default_rng(0)
    >>> log_p = gaussian_log_prob(rng.normal(size=(1000, 1)), np.zeros((1, 1)))
    >>> round(float(log_p[0]), 1)
    -0.9
    """
    from sklearn.covariance import LedoitWolf

    train, test = _rows("train", train), _rows("test", test)
    _same_width(train, test)
    mean, scale = _units(train)
    root = np.linalg.cholesky(LedoitWolf().fit((train - mean) / scale).covariance_)
    white = np.linalg.solve(root, ((test - mean) / scale).T)
    log_det = np.log(root.diagonal()).sum() + np.log(scale).sum()
    return np.asarray(-0.5 * (white**2).sum(0) - 0.5 * len(white) * log(2 * pi) - log_det, dtype=np.float64)


def _mixture(x: Floats, place: tuple[int, int], seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    k, ridge = place
    mixture = GaussianMixture(_COMPONENTS[k], reg_covar=_RIDGE[ridge], tol=1e-2, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline need not be at its very optimum
        return mixture.fit(x)


def _integers(name: str, values: ArrayLike, levels: int) -> NDArray[np.int64]:
    x = np.asarray(values)
    if x.ndim < 2 or not x.size:
        raise RheonError(f"{name} must have shape (N, …) and hold something, got shape {x.shape}.")
    flat = x.reshape(len(x), -1)
    if not (
        np.issubdtype(x.dtype, np.number)
        and flat.min() >= 0
        and flat.max() < levels
        and (flat % 1 == 0).all()
    ):
        raise RheonError(
            f"{name} must hold whole numbers from 0 to {levels - 1}; other values came ({x.dtype})."
        )
    return flat.astype(np.int64)


def _rows(name: str, values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or not x.size:
        raise RheonError(f"{name} must have shape (N, D) and hold something, got shape {x.shape}.")
    if not np.isfinite(x).all():
        raise RheonError(f"{name} has values that are not finite: leave these rows out or fill them first.")
    return x


def _same_width(first: NDArray[Any], *others: NDArray[Any]) -> None:
    for x in others:
        if x.shape[1] != first.shape[1]:
            raise RheonError(
                f"all parts must have one number of columns, got {first.shape[1]} and {x.shape[1]}."
            )


def _units(train: Floats) -> tuple[Floats, Floats]:
    mean, scale = train.mean(0), train.std(0)
    if not (scale > 1e-12 * np.abs(mean)).all():
        still = np.flatnonzero(~(scale > 1e-12 * np.abs(mean)))
        raise RheonError(f"column {still[0]} of train does not vary, so it has no density: leave it out.")
    return mean, scale
