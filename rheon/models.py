"""The two calls that most people need: ``rheon.fit(data)`` and ``rheon.load(path)``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rheon.errors import RheonError
from rheon.images import ImageDensity
from rheon.images.formats import BUILT_IN
from rheon.images.formats import looks_like_images as file_of_images
from rheon.images.reading import ImageSet
from rheon.storage import read_log, read_model
from rheon.tables import TableDensity
from rheon.tables.parts import part_files
from rheon.training import Record, Settings

_CLASSES: dict[str, type[ImageDensity] | type[TableDensity]] = {"image": ImageDensity, "table": TableDensity}


def fit(
    data: Any,
    *,
    architecture: Any = None,
    labels: Any = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    watch: Callable[[Record], object] | None = None,
    **table: Any,
) -> ImageDensity | TableDensity:
    """Learns the density of ``data``: of images as :class:`ImageDensity`, of rows as :class:`TableDensity`.

    Args:
        data: images as an array (N, H, W), (N, H, W, C) or (N, C, H, W) of whole numbers, a list of
            pictures, a folder or file of them; or a table: an array (N, D), a data frame, a .csv, .parquet or
            .npz file.
        architecture: a name or a function, as the class takes it; the class's own choice unless given.
        labels: classes of images, for a density given the class: numbers or names, one an image, or True for
            those that come with the images.
        minutes: how long to train (2 unless said); or
        steps: how many steps.
        seed: of everything that is random.
        settings: all of :class:`~rheon.training.Settings` in place of the three.
        watch: is called with the :class:`~rheon.training.Record` of each step, for a tracker of experiments:
            ``lambda r: mlflow.log_metrics(r.metrics(), step=r.step)``, say.
        table: ``schema`` and ``given`` of :class:`TableDensity`.

    >>> import numpy as np
    >>> fit(np.random.default_rng(0).normal(size=(100, 3)), steps=2).log_prob(np.zeros((1, 3))).shape
    (1,)
    """
    model = new(data, architecture, **table)
    return model.fit(
        data, labels=labels, minutes=minutes, steps=steps, seed=seed, settings=settings, watch=watch
    )


def new(data: Any, architecture: Any = None, **table: Any) -> ImageDensity | TableDensity:
    """An untrained model of the kind that suits ``data``."""
    named = {} if architecture is None else {"architecture": architecture}
    if not looks_like_images(data):
        return TableDensity(**named, **table)
    if table:
        raise RheonError(f"{' and '.join(table)} are for tables, and these are images")
    return ImageDensity(**named)


def looks_like_images(data: Any) -> bool:
    """Whether data, by path or object, are images and not a table: pictures, or arrays of 3 axes or more."""
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        parts = part_files(path) if path.is_dir() else []
        return str(data) in BUILT_IN or file_of_images(parts[0] if parts else path)
    first = data[0] if isinstance(data, list | tuple) and data else data
    if isinstance(data, ImageSet) or hasattr(first, "getexif"):  # Pillow images
        return True
    return len(getattr(data, "shape", np.shape(first) + (0,) * (first is not data))) >= 3


def load(path: str | Path) -> ImageDensity | TableDensity:
    """Reads a model directory that ``save`` wrote. Nothing in it is run; whatever is wrong is refused."""
    config, tensors = read_model(path)
    model = _CLASSES[config["kind"]].from_files(config, tensors)
    model.info = {
        name: config[name] for name in ("data", "training", "settings", "figures") if name in config
    }
    model.log = read_log(path)
    return model
