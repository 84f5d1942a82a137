"""``rheon impute``: a table's missing cells, drawn from a model."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rheon.cli.console import note, say
from rheon.cli.numbers import Count, Seed
from rheon.cli.paths import TABLE_SUFFIXES, check_data, check_file
from rheon.errors import RheonError
from rheon.storage import read_config
from rheon.text import plain

_FEW = 20
"""Effective draws, below which it is said that a row's are poor."""


def impute(
    model: Path,
    data: str,
    /,
    *,
    out: Path,
    number: Annotated[Count, Parameter(name=["--number", "-n"])] = 1,
    seed: Seed = 0,
) -> None:
    """Draws what is missing in a table, given what is there.

    Args:
        model: A model directory.
        data: The table with missing cells; its other columns and values stay as they are.
        out: The file to write, .csv, .tsv, .parquet, .arrow or .feather.
        number: How many times to draw; beyond one, a column draw numbers them.
        seed: The same seed gives the same draws.
    """
    if read_config(model)["kind"] != "table":
        raise RheonError("impute is for models of tables, and this is one of images")
    check_data(data)
    check_file(out, TABLE_SUFFIXES, data)

    import numpy as np

    from rheon.models import load
    from rheon.tables import TableDensity, read_table, write_table

    loaded = load(model)
    assert isinstance(loaded, TableDensity)
    table = read_table(data)
    for line in table.notes:
        note(plain(line))
    found = loaded.impute(table, draws=number, seed=seed)
    write_table(out, {name: found.table[name] for name in found.table.column_names})
    effective = found.effective[~np.isnan(found.effective)]
    several = effective[np.isfinite(effective)]
    times = f", {number} times" if number > 1 else ""
    say(f"{out}: {len(table):,} rows, {found.cells:,} missing cells of {len(effective):,} rows drawn{times}")
    if exact := len(effective) - len(several):
        say(f"exactly, by sums and quadrature: {exact:,} rows")
    if len(several):
        say(
            f"by importance, where two numbers or more are missing: {len(several):,} rows; effective draws "
            f"to take from: {np.median(several):,.0f} (median), {several.min():,.0f} at least"
        )
    if poor := int((several < _FEW).sum()):
        note(f"{poor:,} rows have fewer than {_FEW} effective draws: take theirs with care")
    if found.left:
        note(plain(f"the model does not know {', '.join(found.left[:8])}: what they lack is missing still"))
