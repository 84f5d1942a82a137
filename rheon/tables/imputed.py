"""A table whose missing cells are filled in; those that are there stay as they are, bit for bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from rheon.errors import DataError
from rheon.tables.imputing import Imputing
from rheon.tables.reading import Table, read_table
from rheon.tables.roles import Roles
from rheon.tables.rows import RowDensity
from rheon.tables.values import decoded, is_missing

DRAW = "draw"
"""The column that numbers the draws, where there are several."""


@dataclass(frozen=True)
class Imputed:
    """What ``impute`` returns.

    Attributes:
        table: the rows, once for each draw, in the order and with the columns of those that were given.
        effective: for each row the effective number of draws of which its own were taken; infinite where
            they are exact, NaN where nothing was missing.
        cells: how many cells were filled in, in each draw.
        left: the columns that lack values still, since the model does not know them.
    """

    table: pa.Table
    effective: NDArray[np.float64]
    cells: int
    left: tuple[str, ...] = ()


def impute(model: RowDensity, roles: Roles, rows: Any, draws: int, seed: int) -> Imputed:
    """The rows with what they lack drawn from the density.

    Raises:
        DataError: what is given is missing, or no draw of a row has a probability.
    """
    table, own = read_table(rows), roles.read(rows)
    encoded, given = roles.encode(own)
    opened = roles.targets.opened(encoded)
    open_ = np.flatnonzero(~opened.complete)
    some = None if given is None else given[torch.from_numpy(open_)]
    drawn = Imputing(model, some).draw(opened.take(open_), draws, seed)
    if not drawn.effective.all():
        row = open_[int(np.argmin(drawn.effective))]
        raise DataError(
            f"row {row + 1}: no draw of what is missing has a probability; the values that are there are too "
            "far from all that was learned"
        )
    effective = np.full(len(own), np.nan)
    effective[open_] = drawn.effective
    if draws > 1 and DRAW in table.columns:
        raise DataError(f"there is a column {DRAW!r} already; rename it: it is to number the draws")
    new = roles.targets.decode(np.concatenate(drawn.codes), np.concatenate(drawn.y))
    several = table.data.take(pa.array(np.tile(np.arange(len(table)), draws)))
    columns, cells = {name: several[name] for name in several.column_names}, 0
    for name, called in zip(own.columns, _names_in(table, roles), strict=True):
        where = is_missing(own.data[name])
        if name in roles.targets.schema.names and where.any():
            cells += int(where.sum())
            values = new[name].filter(pa.array(np.tile(where[open_], draws)))
            columns[called] = fill(columns[called], np.tile(where, draws), values)
    left = tuple(name for name, column in columns.items() if is_missing(column).any())
    if draws > 1:
        columns[DRAW] = pa.array(np.repeat(np.arange(draws) + 1, len(table)))
    return Imputed(pa.table(columns), effective, cells, left)


def fill(column: pa.ChunkedArray, missing: NDArray[np.bool_], values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with ``values`` in the place of what is missing, in their order; of its own type.

    A type that cannot hold the values, such as one of nothing or of whole numbers, becomes theirs.
    """
    own = decoded(column)
    try:
        new = values if pa.types.is_null(own.type) else values.cast(own.type)
    except pa.ArrowInvalid:
        new = values
    whole, new = (each.combine_chunks() for each in (own.cast(new.type), new))
    filled = pc.replace_with_mask(whole, pa.array(missing), new)
    return pa.chunked_array([filled.cast(column.type) if pa.types.is_dictionary(column.type) else filled])


def _names_in(table: Table, roles: Roles) -> list[str]:
    """What the table calls the columns that a row must have: it may have no names."""
    marked = Table(pa.table({n: pa.array([n] * 1) for n in table.columns}), table.named)
    return [column[0].as_py() for column in roles.read(marked).data.columns]
