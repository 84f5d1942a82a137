"""The figures at the end of a fit: test rows under the model and under simpler ones, and how exact it is."""

from typing import Any

import numpy as np
import torch

from rheon.cli.baselines import figure, mean
from rheon.cli.data import Data
from rheon.cli.kinds import Model
from rheon.errors import RheonError
from rheon.evaluation.cubature import integrate
from rheon.images import ImageDensity, ImageSet
from rheon.tables import TableDensity

_SOME = 512
"""Rows that the round trip is measured on."""
_GIVEN_EACH_CLASS = 20_000
"""Scores of a class-conditional model, one for each image and class; of more images, some are tested."""


def figures(model: Model, test: Data, baselines: dict[str, float], seed: int) -> dict[str, Any]:
    """Plain numbers by name; a name with ``_error`` is the standard error of the one without."""
    if isinstance(model, ImageDensity):
        return _of_images(model, test.images, baselines, seed)
    some = test.table.take(np.arange(min(len(test), _SOME)))
    found = {
        "test_rows": len(test),
        **mean("log_prob", lambda: model.log_prob(test.table)),
        **baselines,
        **figure("round_trip_error", lambda: model.round_trip_error(some)),
    }
    if model.plain and len(model.columns) <= 2:
        found |= figure("integral", lambda: _integral(model))
    return found


def _of_images(model: ImageDensity, test: ImageSet, baselines: dict[str, float], seed: int) -> dict[str, Any]:
    classes, given = model.classes, {}
    if classes is not None:
        most = max(_SOME, _GIVEN_EACH_CLASS // len(classes))
        test = test.take(np.sort(np.random.default_rng(seed).permutation(len(test))[:most]))
        if test.labels is not None:
            numbers = classes.numbers(test, True)
            given = mean(
                "bits_per_dim_given_class", lambda: model.bits_per_dim(test, labels=True, seed=seed)
            ) | figure(
                "accuracy", lambda: float(np.mean(model.classify(test, seed=seed).argmax(1) == numbers))
            )
    tested = test.array[:_SOME]
    return {
        "test_images": len(test),
        "likelihood": model.likelihood(),
        **mean("bits_per_dim", lambda: model.bits_per_dim(test, seed=seed)),
        **given,
        **baselines,
        **figure("round_trip_error", lambda: model.round_trip_error(tested, seed=seed)),
    }


def _integral(model: TableDensity) -> float:
    """Of the whole density, in the columns' own units, over a box around all of its samples."""
    samples = torch.from_numpy(
        np.concatenate([model.sample(8192, temperature=t, seed=0) for t in (1.0, 2.0)])
    )
    low, high = samples.amin(0), samples.amax(0)
    pad = 0.05 * (high - low)

    def log_prob(rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(model.log_prob(rows.numpy()))

    found = integrate(log_prob, low - pad, high + pad, samples, 1e-3, 1 << 20)
    if found.error > 1e-3:
        raise RheonError(f"an error of about {found.error:.0e} is left")
    return found.total
