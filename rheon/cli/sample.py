"""``rheon sample``: new images or rows from a model."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rheon.cli.console import say
from rheon.cli.numbers import Count, NotNegative, Seed
from rheon.cli.paths import TABLE_SUFFIXES, check_data, check_file
from rheon.errors import RheonError
from rheon.storage import read_config

IMAGE_SUFFIXES = (".png", ".npz", ".npy")

_MOST_ON_A_SHEET = 10_000

_OUT = (
    "The file to write: for images .png (a sheet of all), .npz or .npy; "
    "for rows .csv, .tsv, .parquet, .arrow or .feather."
)


def sample(
    model: Path,
    /,
    *,
    number: Annotated[Count | None, Parameter(name=["--number", "-n"])] = None,
    out: Annotated[Path, Parameter(help=_OUT)],
    given: str | None = None,
    label: str | None = None,
    temperature: NotNegative = 1.0,
    seed: Seed | None = None,
) -> None:
    """Draws new images or rows from a model.

    Args:
        model: A model directory.
        number: How many to draw, 64 unless said; of given rows, how many for each, 1 unless said.
        out: The file to write.
        given: A table of what is given, for a model that was fitted with --given.
        label: Of a model fitted with labels, the class to draw from; all by their shares unless given.
        temperature: Of the noise that is drawn: below 1 draws are more typical and less varied.
        seed: The same seed gives the same draws; fresh ones without.
    """
    images = read_config(model)["kind"] == "image"
    check_file(out, IMAGE_SUFFIXES if images else TABLE_SUFFIXES)
    if given is not None:
        check_data(given)
        if images:
            raise RheonError("--given is for models of tables")
    each, number = number or 1, number or 64
    if out.suffix == ".png" and number > _MOST_ON_A_SHEET:
        raise RheonError(f"-n {number}: a sheet holds at most {_MOST_ON_A_SHEET:,}; write them to .npz")

    import numpy as np

    from rheon.images import ImageDensity, write_images
    from rheon.models import load
    from rheon.tables import read_table, write_table

    loaded = load(model)
    if not isinstance(loaded, ImageDensity):
        if label is not None:
            raise RheonError("--label is for images; of a table fitted with --given NAME, give --given")
        rows = None
        if given is not None and not loaded.given:
            raise RheonError(f"--given: in {model} nothing is given; fit with --given")
        if given is not None:
            rows = read_table(given).require(loaded.given)
            rows = rows.take(np.repeat(np.arange(len(rows)), each))
            number = len(rows)
        table = loaded.sample_table(number, given=rows, temperature=temperature, seed=seed)
        write_table(out, {name: table[name] for name in table.column_names})
    elif out.suffix == ".png":
        _write_sheet(out, loaded, number, label, temperature, seed)
    else:
        write_images(out, loaded.sample(number, label=label, temperature=temperature, seed=seed))
    say(f"{out}: {number:,} new {'images' if images else 'rows'}")


def _write_sheet(
    out: Path, model: Any, number: int, label: str | None, temperature: float, seed: int | None
) -> None:
    from rheon.cli.pictures import new_images
    from rheon.files import replacing
    from rheon.plots import png, sheet

    data = png(sheet(new_images(model, number, temperature, seed, label), model.levels))
    with replacing(out) as temporary:
        temporary.write_bytes(data)
