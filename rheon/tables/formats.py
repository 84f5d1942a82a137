"""Files that hold tables, one function a format; :data:`FORMATS` says which suffix is read by which.

A new format is one function from a path to its contents, and a line in the table.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc, parquet

from rheon.arrays import MAX_BYTES, check_room, memory_allowed, read_npy, read_npz
from rheon.errors import DataError
from rheon.tables.delimited import read_delimited
from rheon.tables.parts import Parts

ARRAY_NAMES = ("X", "x", "data")
"""Names by which the rows of an archive with several arrays are known."""


@dataclass(frozen=True)
class Contents:
    """What is in a file: an Arrow table or an array, whether it names columns, and what reading assumed."""

    rows: pa.Table | NDArray[Any]
    named: bool = True
    notes: tuple[str, ...] = ()


def _npy(path: Path) -> Contents:
    return Contents(read_npy(path), False)


def _npz(path: Path) -> Contents:
    return Contents(read_npz(path, ARRAY_NAMES), False)


def _text(path: Path) -> Contents:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as stream:
        check_room(path.stat().st_size, path)
        content = stream.read(min(MAX_BYTES, memory_allowed()) + 1)
    check_room(len(content), path)
    table, dialect = read_delimited(content, str(path))
    return Contents(table, dialect.header, dialect.notes)


def _parquet(path: Path) -> Contents:
    with parquet.ParquetFile(path) as file:
        check_room(8 * file.metadata.num_rows * file.metadata.num_columns, path)
        return Contents(_validated(file.read()))


def _arrow(path: Path) -> Contents:
    check_room(path.stat().st_size, path)
    with pa.OSFile(str(path)) as file:
        as_file = file.read(6) == b"ARROW1"
        file.seek(0)
        with (ipc.open_file if as_file else ipc.open_stream)(file) as reader:
            return Contents(_validated(reader.read_all()))


_TEXTS = (".csv", ".tsv", ".txt", ".data", ".dat", ".test")

FORMATS: dict[str, Callable[[Path], Contents]] = {
    **dict.fromkeys(_TEXTS, _text),
    **{f"{suffix}.gz": _text for suffix in _TEXTS},
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".npy": _npy,
    ".npz": _npz,
}


def read_file(path: Path) -> Contents:
    """The table in a file, by its suffix; what its reader cannot make sense of is a :class:`DataError`."""
    if path.is_dir():
        parts = Parts(path)
        check_room(8 * len(parts) * len(parts.schema), path)
        return Contents(pa.Table.from_batches(parts.batches(parts.schema.names), parts.schema))
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
