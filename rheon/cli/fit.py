"""``rheon fit``: from data to a model directory."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rheon.cli.flags import given
from rheon.cli.image_options import Pictures, Variety
from rheon.cli.paths import check_data, check_directory
from rheon.cli.run import Run, merged
from rheon.cli.table_options import Columns
from rheon.cli.toml import read_toml
from rheon.errors import RheonError
from rheon.training.settings import Settings
from rheon.training.tensorboard import check_tensorboard

_DATA = (
    "digits or photos; or a density in the plane: moons, rings, checkerboard, pinwheel, eight-gaussians; or "
    "a table: wine, breast_cancer, diabetes, clinic; or pictures (a folder, .tar, .zip, .parquet), images "
    "(MNIST's IDX, binary CIFAR, .npy, .npz), or a table (.csv, .tsv, .txt, .data, .parquet, .arrow, "
    ".feather, .npy, .npz). Needed unless --config names it."
)


def _of_run(values: dict[str, Any]) -> None:
    Run.from_dict({"data": "any", **values})


if TYPE_CHECKING:
    GivenRun = dict[str, Any] | None
    GivenPictures = dict[str, Any] | None
    GivenVariety = dict[str, Any] | None
    GivenColumns = dict[str, Any] | None
    GivenTraining = dict[str, Any] | None
else:
    GivenRun = given(Run, _of_run, None, but=["data"])
    GivenPictures = given(Pictures, lambda values: Pictures(**values), "Pictures")
    GivenVariety = given(Variety, lambda values: Variety(**values), "Variety")
    GivenColumns = given(Columns, lambda values: Columns(**values), "Tables")
    GivenTraining = given(Settings, Settings.from_dict, "Training")

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


def fit(
    data: Annotated[str | None, Parameter(help=_DATA)] = None,
    /,
    *,
    run: GivenRun = None,
    overwrite: Switch = False,
    fresh: Switch = False,
    finish: Switch = False,
    extend: Switch = False,
    config: Path | None = None,
    print_config: Switch = False,
    training: GivenTraining = None,
    pictures: GivenPictures = None,
    variety: GivenVariety = None,
    columns: GivenColumns = None,
) -> int:
    """Learns a density and leaves its model directory; returns the exit code.

    Args:
        data: Built-in data by name, or a path.
        overwrite: Lets the new model take the place of one that is there.
        fresh: Starts over where an unfinished training is there, in place of going on with it.
        finish: Makes the model of what an unfinished training has learned, in place of going on with it.
        extend: Goes on with an unfinished training for more --minutes or --steps than it was given.
        config: A TOML file that says what flags say; where both do, the flag counts.
        print_config: Prints such a file, with every choice of this run, and does nothing else.
    """
    tables = {
        "training": training or {},
        "pictures": pictures or {},
        "variety": variety or {},
        "columns": columns or {},
    }
    words = {**({"data": data} if data else {}), **(run or {}), **tables}
    said = merged(read_toml(config) if config else {}, words)
    if "data" not in said:
        raise RheonError("DATA is missing: name what to learn from, or give --config a file that does")
    asked = Run.from_dict(said)
    check_data(asked.data)
    threads = asked.training.get("threads", "auto")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads != "auto" and threads > cores:
        raise RheonError(f"--threads {threads}: more than the {cores} cores here only wait for each other")
    if fresh + finish + extend > 1:
        raise RheonError("give one of --fresh, --finish and --extend")
    if asked.tensorboard:
        check_tensorboard()
    if not print_config:
        check_directory(asked.place, overwrite)

    from rheon.cli.fitting import Fit, print_toml

    if print_config:
        return print_toml(asked)
    return Fit(asked, overwrite, fresh, finish, extend).run()
