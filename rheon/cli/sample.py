"""``rheon sample``: new images or rows from a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rheon.cli.console import say
from rheon.cli.numbers import Count, NotNegative, Seed
from rheon.cli.paths import TABLE_SUFFIXES, check_file
from rheon.errors import RheonError
from rheon.storage import read_config

IMAGE_SUFFIXES = (".png", ".npz", ".npy")

_MOST_ON_A_SHEET = 10_000

_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)} - {"float8"}

_OUT = (
    "The file to write: for images .png (a sheet of all), .npz or .npy; "
    "for rows .csv, .tsv, .parquet, .arrow or .feather."
)


def sample(
    model: Path,
    /,
    *,
    number: Annotated[Count, Parameter(name=["--number", "-n"])] = 64,
    out: Annotated[Path, Parameter(help=_OUT)],
    temperature: NotNegative = 1.0,
    seed: Seed | None = None,
) -> None:
    """Draws new images or rows from a model.

    Args:
        model: A model directory.
        number: How many to draw.
        out: The file to write.
        temperature: Of the noise that is drawn: below 1 draws are more typical and less varied.
        seed: The same seed gives the same draws; fresh ones without.
    """
    images = read_config(model)["kind"] == "image"
    check_file(out, IMAGE_SUFFIXES if images else TABLE_SUFFIXES)
    if out.suffix == ".png" and number > _MOST_ON_A_SHEET:
        raise RheonError(f"-n {number}: a sheet holds at most {_MOST_ON_A_SHEET:,}; write them to .npz")

    from rheon.images import ImageDensity, write_images
    from rheon.models import load
    from rheon.tables import write_table

    loaded = load(model)
    if not isinstance(loaded, ImageDensity):
        rows = loaded.sample(number, temperature=temperature, seed=seed)
        write_table(out, in_own_types(rows, loaded.columns, loaded.dtypes))
    elif out.suffix == ".png":
        _write_sheet(out, loaded, number, temperature, seed)
    else:
        write_images(out, loaded.sample(number, temperature=temperature, seed=seed))
    say(f"{out}: {number:,} new {'images' if images else 'rows'}")


def in_own_types(rows: Any, columns: tuple[str, ...], dtypes: tuple[str, ...]) -> Mapping[str, Any]:
    """Columns as the data had them: whole numbers are rounded and kept in the range of their type."""
    import numpy as np

    typed = {}
    for column, name, values in zip(columns, dtypes, rows.T, strict=True):
        dtype = np.dtype(name if name in _NUMBERS else "float64")
        if dtype.kind in "iu":
            low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
            if high > np.iinfo(dtype).max:  # float64 has no 2⁶³ - 1: the next above would overflow
                high = np.nextafter(high, 0)
            values = np.rint(values).clip(low, high)
        typed[column] = values.astype(dtype)
    return typed


def _write_sheet(out: Path, model: Any, number: int, temperature: float, seed: int | None) -> None:
    from rheon.cli.pictures import new_images
    from rheon.files import replacing
    from rheon.reports import png, sheet

    data = png(sheet(new_images(model, number, temperature, seed), model.levels))
    with replacing(out) as temporary:
        temporary.write_bytes(data)
