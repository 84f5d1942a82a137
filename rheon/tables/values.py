"""The values of an Arrow column as numpy arrays and back: whole numbers exactly, others as float64."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rheon.errors import DataError


def type_name(kind: pa.DataType) -> str | None:
    """How a column's type is called in a schema; None for what is neither number, text, truth nor time."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return "double"
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return str(kind)
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return str(kind)
    return None


def arrow_type(name: str) -> pa.DataType:
    """The type that a schema calls so."""
    if name.startswith("timestamp[") and ", tz=" in name:
        unit, zone = name.removeprefix("timestamp[").removesuffix("]").split(", tz=", 1)
        return pa.timestamp(unit, zone)
    try:
        return pa.type_for_alias(name)
    except ValueError:
        raise DataError(f"the schema has a column of type {name!r:.60}, which is not known") from None


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with its values in place, not in a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def text_values(column: pa.ChunkedArray) -> list[str]:
    """The texts that are there."""
    return pc.drop_null(decoded(column)).to_pylist()


def number_values(name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """The numbers of a column, whole ones and times as int64, others as float64 with NaN where there is none.

    A row without a whole number has 0.

    Raises:
        DataError: a value is infinite, or too large.
    """
    column = decoded(column)
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = column.cast(width).cast(pa.int64())
    if pa.types.is_floating(kind):
        values = column.to_numpy().astype(np.float64)
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                f"column {name!r} has {int(infinite.sum()):,} infinite values, the first in row "
                f"{int(infinite.argmax()) + 1}; remove or replace them, or leave the column out"
            )
        return values + 0.0  # no negative zero
    try:
        return pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    except pa.ArrowInvalid:
        raise DataError(f"column {name!r} has whole numbers beyond 2⁶³; leave it out") from None


def is_missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which rows have no value, (N,)."""
    return pc.is_null(column, nan_is_null=True).to_numpy().astype(bool)
