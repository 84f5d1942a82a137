"""The figures at the end of a fit: test rows under the model and under simpler ones, and how exact it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from rheon.cli.console import note
from rheon.cli.data import Data
from rheon.cli.kinds import Model
from rheon.datasets import random_split
from rheon.errors import RheonError
from rheon.evaluation import (
    gaussian_log_prob,
    histogram_bits_per_dim,
    mixture_bits_per_dim,
    mixture_log_prob,
)
from rheon.evaluation.cubature import integrate
from rheon.images import ImageDensity
from rheon.images.noise import image_noise
from rheon.tables import TableDensity

_SOME = 512
"""Rows that the round trip is measured on."""
_MIXTURE_DIMS, _GAUSSIAN_DIMS = 256, 4096
"""Dimensions in which they are fitted at most: a baseline should take seconds."""
_GAUSSIAN_ROWS = 20_000
_BYTES = 1 << 28
"""Of images that are decoded only as they are wanted: so many are enough for simpler models."""


def figures(model: Model, learn: Data, test: Data, seed: int) -> dict[str, Any]:
    """Plain numbers by name; a name with ``_error`` is the standard error of the one without."""
    # One thread: those of BLAS wait actively, which on a busy machine took the mixture 20 times as long.
    with threadpool_limits(1, "blas"):
        if isinstance(model, ImageDensity):
            return _of_images(model, learn, test, seed)
        return _of_rows(model, learn, test, seed)


def _of_images(model: ImageDensity, learn: Data, test: Data, seed: int) -> dict[str, Any]:
    images, tested = learn.images.some(_BYTES), test.images.array
    levels = learn.images.levels
    dims = images[0].size
    rows, held_out = _some_rows(len(images), _mixture_rows(dims), seed)

    def mixture() -> float:
        draws = max(1, min(3, _mixture_rows(dims) // len(rows)))
        parts = (images[rows], images[held_out], tested)
        return mixture_bits_per_dim(*parts, levels=levels, seed=seed, draws=draws)

    def noisy(part: np.ndarray) -> np.ndarray:
        return (part + image_noise(part, seed, 0).numpy()).reshape(len(part), -1)

    def gaussian() -> np.ndarray:
        many, _ = _some_rows(len(images), _GAUSSIAN_ROWS, seed)
        return -model.unit.scale * gaussian_log_prob(noisy(images[many]), noisy(tested))

    found = {
        "test_images": len(test),
        **_mean("bits_per_dim", lambda: model.bits_per_dim(test.images, seed=seed)),
        **_figure("histogram_bits_per_dim", lambda: histogram_bits_per_dim(images, tested, levels)),
    }
    if dims <= _MIXTURE_DIMS:
        found |= _figure("mixture_bits_per_dim", mixture)
    elif dims <= _GAUSSIAN_DIMS:
        found |= _mean("gaussian_bits_per_dim", gaussian)
    return found | _figure("round_trip_error", lambda: model.round_trip_error(tested[:_SOME], seed=seed))


def _of_rows(model: TableDensity, learn: Data, test: Data, seed: int) -> dict[str, Any]:
    values, tested, toy = learn.table.values, test.table.values, test.toy
    dims = len(model.columns)
    rows, held_out = _some_rows(len(values), _mixture_rows(dims), seed)

    def mixture() -> np.ndarray:
        return mixture_log_prob(values[rows], values[held_out], tested, seed=seed)

    def gaussian() -> np.ndarray:
        many, _ = _some_rows(len(values), _GAUSSIAN_ROWS, seed)
        return gaussian_log_prob(values[many], tested)

    found = {"test_rows": len(test), **_mean("log_prob", lambda: model.log_prob(test.table))}
    if toy is not None:
        found |= _mean("true_log_prob", lambda: toy.log_density(tested))
    if dims <= _MIXTURE_DIMS:
        found |= _mean("mixture_log_prob", mixture)
    if dims <= _GAUSSIAN_DIMS:
        found |= _mean("gaussian_log_prob", gaussian)
    found |= _figure("round_trip_error", lambda: model.round_trip_error(tested[:_SOME]))
    if dims <= 2:
        found |= _figure("integral", lambda: _integral(model))
    return found


def _mixture_rows(dims: int) -> int:
    """Rows that a mixture learns from at most, so that it takes seconds: its time goes as rows times D²."""
    return min(max(20_000_000 // dims**2, 1000), 20_000)


def _some_rows(n: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many of n rows to fit a simpler model to, and a ninth as many to choose it by."""
    rows = np.random.default_rng(seed).permutation(n)[: most * 10 // 9]
    fit, choose = random_split(len(rows), 0.1, seed)
    return rows[fit], rows[choose]


def _integral(model: TableDensity) -> float:
    """Of the whole density, in the columns' own units, over a box around all of its samples."""
    samples = torch.from_numpy(
        np.concatenate([model.sample(8192, temperature=t, seed=0) for t in (1.0, 2.0)])
    )
    low, high = samples.amin(0), samples.amax(0)
    pad = 0.05 * (high - low)
    found = integrate(model.continuous.log_prob, low - pad, high + pad, samples, 1e-3, 1 << 20)
    if found.error > 1e-3:
        raise RheonError(f"an error of about {found.error:.0e} is left")
    return found.total


def _mean(name: str, values: Callable[[], np.ndarray]) -> dict[str, float]:
    """Mean and standard error of the values."""
    found: list[float] = []

    def mean() -> float:
        each = np.asarray(values())
        if len(each) > 1:
            found.append(float(each.std(ddof=1) / len(each) ** 0.5))
        return float(each.mean())

    figure = _figure(name, mean)
    return figure | {f"{name}_error": error for error in found if figure and np.isfinite(error)}


def _figure(name: str, measure: Callable[[], float]) -> dict[str, float]:
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
