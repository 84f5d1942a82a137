"""Files that hold tables, one function a format; :data:`FORMATS` says which suffix is read by which.

A new format is one function from a path to an Arrow table or an array without names, and a line in the table.
"""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, ipc, parquet

from rheon.arrays import MAX_BYTES, check_room, read_npy, read_npz
from rheon.errors import DataError

ARRAY_NAMES = ("X", "x", "data")
"""Names by which the rows of an archive with several arrays are known."""

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


def _npy(path: Path) -> NDArray[Any]:
    return read_npy(path)


def _npz(path: Path) -> NDArray[Any]:
    return read_npz(path, ARRAY_NAMES)


def _csv(path: Path) -> pa.Table | NDArray[Any]:
    """Text with one row a line.

    The type of a column follows from all of its values; a first row of numbers
    only is data, and the columns then have no names.
    """
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as stream:
        first = stream.readline(1 << 20).decode("utf-8-sig")
        stream.seek(0)
        delimiter = max("\t,;", key=first.count)
        without_names = bool(first.strip()) and all(
            _is_number(cell) for cell in first.strip().split(delimiter)
        )
        table = csv.read_csv(
            _bounded(stream, path),
            csv.ReadOptions(autogenerate_column_names=without_names),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        )
    for name, column in zip(table.column_names, table.columns, strict=True):
        _check_text(name, column, path)
    if without_names:
        return table.rename_columns([f"x{i}" for i in range(table.num_columns)])
    return table


def _parquet(path: Path) -> pa.Table:
    with parquet.ParquetFile(path) as file:
        check_room(8 * file.metadata.num_rows * file.metadata.num_columns, path)
        return _validated(file.read())


def _arrow(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        as_file = file.read(6) == b"ARROW1"
        file.seek(0)
        with (ipc.open_file if as_file else ipc.open_stream)(file) as reader:
            return _validated(reader.read_all())


FORMATS: dict[str, Callable[[Path], pa.Table | NDArray[Any]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".csv.gz": _csv,
    ".tsv.gz": _csv,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".npy": _npy,
    ".npz": _npz,
}


def read_file(path: Path) -> pa.Table | NDArray[Any]:
    """The table in a file, by its suffix; what its reader cannot make sense of is a :class:`DataError`."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; give the path of a table")
    suffix = next((known for known in FORMATS if path.name.lower().endswith(known)), None)
    if suffix is None:
        raise DataError(f"{path} is of an unknown kind; expected a name that ends in {', '.join(FORMATS)}")
    try:
        return FORMATS[suffix](path)
    except DataError:
        raise
    except (pa.ArrowException, ValueError, OSError, EOFError, MemoryError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as {suffix}: {reason}") from error


def _validated(table: pa.Table) -> pa.Table:
    table.validate(full=True)  # Arrow trusts the offsets in a file unless it is asked not to
    return table


def _bounded(stream: BinaryIO, path: Path) -> pa.BufferReader:
    """All that a file unpacks to, unless that is too much."""
    content = stream.read(MAX_BYTES + 1)
    check_room(len(content), path)
    return pa.BufferReader(content)


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True


def _check_text(name: str, column: pa.ChunkedArray, path: Path) -> None:
    """One word among numbers makes a column text, and it would be left out without anybody meaning it."""
    if not pa.types.is_string(column.type):
        return
    numbers = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
    count = pc.sum(numbers).as_py() or 0
    if 0.9 * len(column) < count < len(column):
        row = pc.index(numbers, False).as_py()
        raise DataError(
            f"{path}: column {name!r} holds numbers but for {len(column) - count} values, the first of them "
            f"{column[row].as_py()!r} in row {row + 1}; correct them or remove those rows"
        )
