"""Named columns to a file, by the suffix of its name."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, ipc, parquet

from rheon.errors import RheonError
from rheon.files import replacing

_FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")


class _Csv:
    """A CSV file, in which no text is a formula."""

    def __init__(self, path: Path, schema: pa.Schema, delimiter: str = ",") -> None:
        names = [_escaped(name) for name in schema.names]
        self._schema = pa.schema([field.with_name(name) for name, field in zip(names, schema, strict=True)])
        options = csv.WriteOptions(delimiter=delimiter)
        self._writer = csv.CSVWriter(path, self._schema, write_options=options)

    def write_table(self, table: pa.Table) -> None:
        columns = [_escaped_column(column) for column in table.columns]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _tsv(path: Path, schema: pa.Schema) -> _Csv:
    return _Csv(path, schema, "\t")


def _arrow(path: Path, schema: pa.Schema) -> Any:
    return ipc.new_file(path, schema)  # which is Feather, too


WRITERS: dict[str, Callable[[Path, pa.Schema], Any]] = {
    ".csv": _Csv,
    ".tsv": _tsv,
    ".parquet": parquet.ParquetWriter,
    ".arrow": _arrow,
    ".feather": _arrow,
}

Write = Callable[[Mapping[str, Any] | pa.Table], None]
"""Writes the next rows: columns of one length, numbers or text, of the same names and types each time."""


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any] | pa.Table) -> None:
    """Writes columns of one length, or an Arrow table, to .csv, .tsv, .parquet, .arrow or .feather.

    The file appears whole or not at all. In .csv and .tsv a text that a spreadsheet would run as a formula
    (it starts with = + - @, a tab or a carriage return, or with blanks before one) gets an apostrophe
    before it, names of columns too; numbers are written so that they read back to the same bits.

    Raises:
        RheonError: an unknown suffix, columns of different lengths, a place that cannot be written to.
    """
    with writing(path) as write:
        write(columns)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Write]:
    """Gives a function that writes the next rows of a file, which appears when the block ends well.

    As :func:`write_table` does, of which it is the general form: what was written is not kept in memory. It
    is to be called once at least.

    Raises:
        RheonError: as by :func:`write_table`.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise RheonError(
            f"cannot write a table to {path.name}; expected a name that ends in {', '.join(WRITERS)}"
        )
    with replacing(path) as temporary, ExitStack() as stack:
        writer: Any = None

        def write(columns: Mapping[str, Any] | pa.Table) -> None:
            nonlocal writer
            if isinstance(columns, pa.Table):
                columns = dict(zip(columns.column_names, columns.columns, strict=True))
            lengths = {name: len(values) for name, values in columns.items()}
            if len(set(lengths.values())) > 1:
                raise RheonError(f"the columns differ in length: {lengths}")
            table = pa.table({name: _array(values) for name, values in columns.items()})
            if writer is None:
                writer = stack.enter_context(closing(WRITERS[path.suffix](temporary, table.schema)))
            writer.write_table(table)

        yield write


def _array(values: Any) -> pa.Array | pa.ChunkedArray:
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)


def _escaped(text: str | None) -> str | None:
    return f"'{text}" if text is not None and _FORMULA.match(text) else text


def _escaped_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    return pa.array([_escaped(text) for text in column.to_pylist()], pa.string())
