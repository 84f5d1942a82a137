"""The pictures that a fit leaves in the model directory."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from rheon.cli.closing import baselines_of
from rheon.cli.console import note
from rheon.cli.data import Data
from rheon.cli.kinds import Model
from rheon.errors import RheonError
from rheon.images import ImageDensity, read_images
from rheon.plots import density_picture, png, side_by_side, training_curve, window_of
from rheon.tables import TableDensity


def pictures(model: Model, test: Data, seed: int) -> dict[str, bytes]:
    """Files by name: the training curve, and new images beside real ones or a density in the plane."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it speaks up when it builds its font cache
    draw: dict[str, Callable[[], Any]] = {"training.png": lambda: _curve(model)}
    if isinstance(model, ImageDensity):
        draw["samples.png"] = lambda: _samples(model, test.images.array, seed)
    elif model.plain and len(model.columns) == 2:
        draw["density.png"] = lambda: _plane(model, test, seed)
    files = {}
    for name, picture in draw.items():
        try:
            files[name] = png(picture())
        except RheonError as error:  # a flow that was hardly trained may draw what is not finite
            note(f"left out: {name} ({error})")
    return files


def new_images(
    model: ImageDensity, n: int, temperature: float, seed: int | None, label: Any = None
) -> np.ndarray:
    """n new images, uint8 (n, C, H, W), of the class ``label`` or, given several, of the class of each."""
    drawn = model.sample(n, label=label, temperature=temperature, seed=seed)
    return read_images(drawn, levels=model.levels, layout=model.layout).array


def _curve(model: Model) -> Any:
    baselines = {f"{name} (test)": value for name, value in baselines_of(model.info["figures"]).items()}
    return training_curve([record.as_dict() for record in model.history], model.unit, baselines)


def _samples(model: ImageDensity, real: np.ndarray, seed: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(real))[:64]
    new = new_images(model, 64, 1.0, seed)
    return side_by_side(
        {"new: drawn from the model": new, "real: test images": real[order]}, model.levels or 256
    )


def _plane(model: TableDensity, test: Data, seed: int) -> Any:
    real = model.numbers(test.table)
    return density_picture(
        model.log_prob,
        test.toy.window if test.toy else window_of(real),
        samples=model.sample(min(len(real), 3000), seed=seed),
        data=real,
        true_log_prob=test.toy.log_density if test.toy else None,
        names=model.columns,
    )
