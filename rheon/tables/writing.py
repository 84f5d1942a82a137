"""Named columns to a file, by the suffix of its name."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, feather, parquet

from rheon.errors import RheonError
from rheon.files import replacing

_FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")


def _write_csv(table: pa.Table, path: Path, delimiter: str = ",") -> None:
    columns = [_escaped_column(column) for column in table.columns]
    escaped = pa.table(columns, names=[_escaped(name) for name in table.column_names])
    csv.write_csv(escaped, path, csv.WriteOptions(delimiter=delimiter))


def _write_arrow(table: pa.Table, path: Path) -> None:
    feather.write_feather(table, str(path), compression="uncompressed")


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": _write_csv,
    ".tsv": lambda table, path: _write_csv(table, path, "\t"),
    ".parquet": parquet.write_table,
    ".arrow": _write_arrow,
    ".feather": _write_arrow,
}


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any]) -> None:
    """Writes columns of one length, numbers or text, to .csv, .tsv, .parquet, .arrow or .feather.

    The file appears whole or not at all. In .csv and .tsv a text that a spreadsheet would run as a formula
    (it starts with = + - @, a tab or a carriage return, or with blanks before one) gets an apostrophe
    before it, names of columns too; numbers are written so that they read back to the same bits.

    Raises:
        RheonError: an unknown suffix, columns of different lengths, a place that cannot be written to.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise RheonError(
            f"cannot write a table to {path.name}; expected a name that ends in {', '.join(WRITERS)}"
        )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RheonError(f"the columns differ in length: {lengths}")
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    with replacing(path) as temporary:
        WRITERS[path.suffix](table, temporary)


def _escaped(text: str | None) -> str | None:
    return f"'{text}" if text is not None and _FORMULA.match(text) else text


def _escaped_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    return pa.array([_escaped(text) for text in column.to_pylist()], pa.string())
