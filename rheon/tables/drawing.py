"""New rows of a density, as the table that it was learned from had them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rheon.density import generator_of
from rheon.errors import RheonError
from rheon.tables.reading import read_table
from rheon.tables.roles import Roles
from rheon.tables.rows import RowDensity


def draw_numbers(model: RowDensity, n: int, temperature: float, seed: int | None) -> NDArray[np.float64]:
    """n rows of real numbers alone, (n, D)."""
    return _finite(model.sample(n, None, temperature, generator_of(seed))[1])


def draw_table(
    model: RowDensity, roles: Roles, n: int, given: Any, temperature: float, seed: int | None
) -> pa.Table:
    """n rows of all columns; where some are given, one for each row of ``given``."""
    table = known = None
    if roles.given:
        if given is None:
            raise RheonError(f"sample: what is given is needed: rows with {', '.join(roles.given)}.")
        table = read_table(given).require(roles.given)
        if len(table) != n:
            raise RheonError(f"sample: {n} rows are asked for, and {len(table)} are given.")
        known = roles.given_of(table)
    codes, y = model.sample(n, known, temperature, generator_of(seed))
    drawn = roles.targets.decode(codes, _finite(y))
    columns = {name: drawn[name] for name in drawn.column_names}
    if table is not None:
        columns |= {name: table.data[name] for name in roles.given}
    return pa.table({name: columns[name] for name in roles.columns})


def numbers_of(table: pa.Table) -> NDArray[np.float64]:
    """The columns as numbers, (N, D), NaN where there is none.

    Raises:
        RheonError: some column is not of numbers.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise RheonError(f"sample: column {name!r} is not of numbers; sample_table gives such rows.")
    return np.stack([column.cast(pa.float64()).to_numpy() for column in table.columns], 1)


def _finite(y: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.isinf(y).any():
        raise RheonError("sample: the flow gave values that are not finite; try a lower temperature.")
    return y
