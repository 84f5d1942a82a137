"""``rheon fit``: from data to a model directory."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rheon.cli.image_options import AS_THEY_ARE, NO_VARIETY, Pictures, Switch, Variety
from rheon.cli.numbers import Count, Levels, Positive, Seed, Share
from rheon.cli.paths import check_data, check_directory, model_name
from rheon.errors import RheonError

MINUTES = 1.5
"""Unless told otherwise, so that with reading, baselines and pictures the command ends within two."""

_DATA = (
    "digits or photos; or a density in the plane: moons, rings, checkerboard, pinwheel, eight-gaussians; or "
    "pictures (a folder, .tar, .zip, .parquet), images (MNIST's IDX, binary CIFAR, .npy, .npz), or a table "
    "(.csv, .tsv, .parquet, .arrow, .feather, .npy, .npz)."
)


@Parameter(name="*", group="Training")
@dataclass(frozen=True, kw_only=True)
class Training:
    """Those of :class:`rheon.training.Settings` that have a flag; None leaves what suits the kind of data."""

    minutes: Positive | None = None
    "Minutes to train at most; 1.5 unless --steps is given. Training ends sooner when nothing gets better."
    steps: Count | None = None
    "Steps to train at most, in place of minutes: with --threads, the same seed then gives the same bits."
    seed: Seed = 0
    "Of everything that is random: split, initial weights, order, noise."
    batch_size: Count | None = None
    "Images or rows per step."
    learning_rate: Positive | None = None
    "Its peak."
    memory: Literal["store", "checkpoint", "invert"] | None = None
    "What is kept for the backward pass: invert needs least, and half as much time again."
    precision: Literal["float32", "bfloat16"] | None = None
    "Of the networks in training; the model is in float32 whatever it was trained with."
    threads: Count | None = None
    "CPU threads; measured unless given."


def fit(
    data: Annotated[str, Parameter(help=_DATA)],
    /,
    *,
    out: Path | None = None,
    architecture: str | None = None,
    levels: Levels | None = None,
    test_share: Share = 0.2,
    overwrite: Switch = False,
    fresh: Switch = False,
    finish: Switch = False,
    training: Training = Training(),
    pictures: Pictures = AS_THEY_ARE,
    variety: Variety = NO_VARIETY,
) -> int:
    """Learns a density and leaves its model directory; returns the exit code.

    Args:
        data: Built-in data by name, or a path.
        out: The model directory to make; DATA.rheon in this folder unless given.
        architecture: nice, realnvp or spline, or a name from rheon.architectures.
        levels: Number of grey levels of images; told from the data unless given.
        test_share: Share of the data that is kept apart, for the figures at the end.
        overwrite: Lets the new model take the place of one that is there.
        fresh: Starts over where an unfinished training is there, in place of going on with it.
        finish: Makes the model of what an unfinished training has learned, in place of going on with it.
        training: How long and how to train.
        pictures: What images are made of pictures.
        variety: What training does to images.
    """
    check_data(data)
    out = out or Path(model_name(data))
    check_directory(out, overwrite)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if training.threads is not None and training.threads > cores:
        raise RheonError(
            f"--threads {training.threads}: more than the {cores} cores here only wait for each other"
        )
    if training.minutes is not None and training.steps is not None:
        raise RheonError("give --minutes or --steps, not both")
    changes = {name: value for name, value in asdict(training).items() if value is not None}
    if training.steps is None:
        changes.setdefault("minutes", MINUTES)

    if fresh and finish:
        raise RheonError("give --fresh or --finish, not both")

    from rheon.cli.fitting import Fit, ImagesAsked

    asked = ImagesAsked(levels, pictures.preparation(), variety.augment())
    return Fit(data, out, architecture, asked, test_share, overwrite, changes, fresh, finish).run()
