"""What simpler densities make of the test rows, computed before training: then its figures mean something."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from rheon.cli.console import note
from rheon.cli.data import Data
from rheon.datasets import random_split
from rheon.errors import RheonError
from rheon.evaluation import (
    gaussian_log_prob,
    histogram_bits_per_dim,
    mixture_bits_per_dim,
    mixture_log_prob,
)
from rheon.images import ImageSet
from rheon.images.noise import image_noise
from rheon.tables import Schema, guess
from rheon.tables.encoding import Encoding
from rheon.tables.independent import Independent
from rheon.training import Unit

_MIXTURE_DIMS, _GAUSSIAN_DIMS = 256, 4096
"""Dimensions in which they are fitted at most: a baseline should take seconds."""
_MOST_ROWS = 20_000
_VALUES = 8_000_000
"""Pixel values that are counted, and tested, at most."""
_BYTES = 1 << 26
"""Of images that are decoded only as they are wanted: so many are enough."""


def baselines(learn: Data, test: Data, seed: int, targets: Schema | None = None) -> dict[str, float]:
    """Figures by name, as those of the model are: bits per dimension, or mean log p in nats.

    A name with ``_error`` is the standard error of the one without. Of many rows some thousands are fitted
    and scored. ``targets`` are the columns of a table that it is about.
    """
    # One thread: those of BLAS wait actively, which on a busy machine took the mixture 20 times as long.
    with threadpool_limits(1, "blas"):
        if isinstance(learn.content, ImageSet):
            return _of_images(learn, test, seed)
        return _of_rows(learn, test, seed, targets or guess(learn.some(seed).data))


def _of_images(learn: Data, test: Data, seed: int) -> dict[str, float]:
    images, levels = learn.images.some(_BYTES), learn.images.levels
    dims = images[0].size
    tested = _some(test.images.array, _VALUES // dims, seed)
    unit = Unit.bits_per_dim(images.shape[1:])

    def noisy(part: np.ndarray) -> np.ndarray:
        return (part + image_noise(part, seed, 0).numpy()).reshape(len(part), -1)

    def gaussian() -> np.ndarray:
        many, _ = _parts(len(images), _gaussian_rows(dims), seed)
        return -unit.scale * gaussian_log_prob(noisy(images[many]), noisy(tested))

    def mixture() -> float:
        rows, held_out = _parts(len(images), _mixture_rows(dims), seed)
        draws = max(1, min(3, _mixture_rows(dims) // len(rows)))
        parts = (images[rows], images[held_out], tested)
        return mixture_bits_per_dim(*parts, levels=levels, seed=seed, draws=draws)

    def histogram() -> float:
        many, _ = _parts(len(images), _VALUES // dims, seed)
        return histogram_bits_per_dim(images[many], tested, levels)

    found = figure("histogram_bits_per_dim", histogram)
    if dims <= _GAUSSIAN_DIMS:
        found |= mean("gaussian_bits_per_dim", gaussian)
    if dims <= _MIXTURE_DIMS:
        found |= figure("mixture_bits_per_dim", mixture)
    return found


def _of_rows(learn: Data, test: Data, seed: int, targets: Schema) -> dict[str, float]:
    if not targets.modelled:
        return {}  # training says so
    encoding, some = Encoding(targets), (learn.some(seed), test.table)
    rows, held_out = (encoding.encode(table.require(targets.names).data) for table in some)
    held_out = held_out.take(held_out.complete)
    found: dict[str, float] = {}
    if not targets.plain:
        found |= mean("independent_log_prob", lambda: Independent(encoding, rows, seed).log_prob(held_out))
    if encoding.levels:
        return found
    values, tested, toy = rows.y, _some(held_out.y, _MOST_ROWS, seed), test.toy
    dims = values.shape[1]

    def gaussian() -> np.ndarray:
        many, _ = _parts(len(values), _gaussian_rows(dims), seed)
        return gaussian_log_prob(values[many], tested) - encoding.log_cells(tested)

    def mixture() -> np.ndarray:
        rows, held_out = _parts(len(values), _mixture_rows(dims), seed)
        log_p = mixture_log_prob(values[rows], values[held_out], tested, seed=seed)
        return log_p - encoding.log_cells(tested)

    if dims <= _GAUSSIAN_DIMS:
        found |= mean("gaussian_log_prob", gaussian)
    if dims <= _MIXTURE_DIMS:
        found |= mean("mixture_log_prob", mixture)
    if toy is not None:
        found |= mean("true_log_prob", lambda: toy.log_density(tested))
    return found


def _mixture_rows(dims: int) -> int:
    """Rows that a mixture learns from at most, so that it takes seconds: its time goes as rows times D²."""
    return min(max(20_000_000 // dims**2, 1000), _MOST_ROWS)


def _gaussian_rows(dims: int) -> int:
    """Rows of which a covariance is taken at most: likewise, but for few rows it would be a guess."""
    return min(max(20_000_000_000 // dims**2, dims), _MOST_ROWS)


def _parts(n: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many of n rows to fit a simpler model to, and a ninth as many to choose it by."""
    rows = np.random.default_rng(seed).permutation(n)[: most * 10 // 9]
    fit, choose = random_split(len(rows), 0.1, seed)
    return rows[fit], rows[choose]


def _some(values: np.ndarray, most: int, seed: int) -> np.ndarray:
    """All rows, or where there are many some at random."""
    if len(values) <= most:
        return values
    return values[np.random.default_rng(seed).choice(len(values), most, replace=False)]


def mean(name: str, values: Callable[[], np.ndarray]) -> dict[str, float]:
    """Mean and standard error of the values."""
    found: list[float] = []

    def of_all() -> float:
        each = np.asarray(values())
        if len(each) > 1:
            found.append(float(each.std(ddof=1) / len(each) ** 0.5))
        return float(each.mean())

    measured = figure(name, of_all)
    return measured | {f"{name}_error": error for error in found if measured and np.isfinite(error)}


def figure(name: str, measure: Callable[[], float]) -> dict[str, float]:
    """The figure, or nothing but a note where it cannot be had: the others are worth having without it."""
    try:
        value = measure()
    except RheonError as error:
        note(f"left out: {name.replace('_', ' ')} ({error})")
        return {}
    if not np.isfinite(value):
        note(f"left out: {name.replace('_', ' ')} (it is {value})")
        return {}
    return {name: value}
