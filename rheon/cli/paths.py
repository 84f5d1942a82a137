"""Checks of names and places before any work is done, and before torch is loaded."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from rheon.errors import DataError, RheonError

TOY_NAMES = ("moons", "rings", "checkerboard", "pinwheel", "eight-gaussians")
TABLE_NAMES = ("wine", "breast_cancer", "diabetes", "clinic")
BUILT_IN = ("digits", "photos", *TOY_NAMES, *TABLE_NAMES)
"""Data that need no file. A file of such a name is meant by ``./digits``."""

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".feather")
"""What tables are written as."""


def follows() -> bool:
    """Whether this is one of several processes that ``torchrun`` started, and not the first."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"


def check_data(data: str) -> None:
    """Refuses what is neither the name of built-in data nor a path at which something is."""
    if data in BUILT_IN or os.path.exists(data):
        return
    near = get_close_matches(data.lower(), BUILT_IN, n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"give the path of a file or folder, or one of {', '.join(BUILT_IN)}"
    )
    raise DataError(f"there is no file or folder {data}; {hint}")


def check_file(out: Path, suffixes: Iterable[str], source: str | None = None) -> None:
    """Refuses an output file in a folder that is not there, of another kind, or that is the input itself."""
    suffixes = tuple(suffixes)
    if out.suffix not in suffixes:
        raise RheonError(f"--out {out}: the name must end in {', '.join(suffixes)}")
    _check_parent(out)
    if out.is_dir():
        raise RheonError(f"--out {out} is a folder; give the name of a file")
    if source is not None and os.path.exists(source) and out.exists() and os.path.samefile(source, out):
        raise RheonError(f"--out {out} is the file that is read; give another name")


def check_folder(out: Path, flag: str = "--out") -> None:
    """Refuses a folder for files that is a file, or whose parent is not there or cannot be written to."""
    _check_parent(out, flag)
    if out.exists() and not out.is_dir():
        raise RheonError(f"{flag} {out} is a file; give the name of a folder")


def check_directory(out: Path, overwrite: bool) -> None:
    """Refuses a place for a model that is taken, unless by a model and ``overwrite``, or by a checkpoint."""
    from rheon.storage import CONFIG, is_unfinished, settle

    if follows():  # it writes nothing, and the first may have begun to
        return
    _check_parent(out)
    settle(out)
    if not os.path.lexists(out) or is_unfinished(out):
        return
    if not (out / CONFIG).is_file():
        raise RheonError(f"--out {out} exists and is not a model of rheon; give another name")
    if not overwrite:
        raise RheonError(f"{out} exists already; give another --out, or --overwrite to replace it")


def model_name(data: str) -> str:
    """Where the model of ``data`` goes unless told otherwise: beside no file, here.

    >>> model_name("digits"), model_name("../tables/wine.csv.gz"), model_name("photos/")
    ('digits.rheon', 'wine.rheon', 'photos.rheon')
    """
    name = Path(data).absolute().name.removesuffix(".gz")
    return f"{Path(name).stem or 'model'}.rheon"


def _check_parent(out: Path, flag: str = "--out") -> None:
    parent = out.absolute().parent
    if not parent.is_dir():
        raise RheonError(f"{flag} {out}: there is no folder {out.parent}; make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RheonError(f"{flag} {out}: the folder {parent} cannot be written to")
