"""Parquet and Arrow files read in record batches: what is in memory at a time does not grow with the rows.

A file or a folder of part files is one sequence of groups of rows, the row groups of Parquet and the record
batches of Arrow: each can be read without the others, and from its beginning only.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc, parquet

from rheon.errors import DataError

PART_SUFFIXES = (".parquet", ".arrow", ".feather")

_PAGE = 1 << 16
_BATCH_BYTES = 1 << 23


@dataclass(frozen=True)
class Group:
    """Rows that are stored together: the ``index``-th group of a file."""

    path: Path
    index: int
    rows: int


class Parts:
    """The rows of a .parquet, .arrow or .feather file, or of a folder of such files, in order of name.

    Args:
        path: the file or folder. Names that begin with ``.`` or ``_`` are not looked at.

    Raises:
        DataError: nothing there, a damaged file, files of different columns, no row, an Arrow stream.

    Attributes:
        schema: names and types of the columns.
        groups: all groups, in order.
        rows: N.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = part_files(path) if path.is_dir() else [path]
        if not self.paths:
            raise DataError(f"there is no file in {path} whose name ends in {', '.join(PART_SUFFIXES)}")
        self.groups: list[Group] = []
        schemas = []
        for part in self.paths:
            with _reading(part):
                schema, lengths = _contents(part)
            schemas.append(schema.remove_metadata())
            self.groups += [Group(part, index, rows) for index, rows in enumerate(lengths)]
        self.schema = schemas[0]
        for part, schema in zip(self.paths, schemas, strict=True):
            if not schema.equals(self.schema):
                raise DataError(f"{part} has other columns, or of other types, than {self.paths[0]}")
        names = self.schema.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"two columns are named {twice!r}; give each its own name")
        self.rows = sum(group.rows for group in self.groups)
        if not self.rows:
            raise DataError("the table has no rows; expected at least one")

    def __len__(self) -> int:
        return self.rows

    def batches(self, columns: Sequence[str], size: int | None = None) -> Iterator[pa.RecordBatch]:
        """All rows of these columns, in order, at most ``size`` at a time (unless told, some megabytes)."""
        for group in self.groups:
            yield from self.of_group(group, columns, size)

    def of_group(
        self, group: Group, columns: Sequence[str], size: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one group, from its beginning."""
        size = size or max(_BATCH_BYTES // (8 * max(len(columns), 1)), 1)
        read = _of_row_group if group.path.name.lower().endswith(".parquet") else _of_record_batch
        with _reading(group.path), closing(read(group, list(columns), size)) as batches:
            for batch in batches:
                yield batch.select(list(columns))


def can_be_parted(path: Path) -> bool:
    """Whether what is at the path can be read part by part: an Arrow stream has no index of its batches."""
    name = path.name.lower()
    if path.is_dir() or name.endswith(".parquet"):
        return True
    if not name.endswith(PART_SUFFIXES) or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(6) == b"ARROW1"


def part_files(folder: Path) -> list[Path]:
    """The files of a folder that hold parts of a table, by name."""
    names = sorted(folder.iterdir())
    return [p for p in names if p.name.lower().endswith(PART_SUFFIXES) and p.name[0] not in "._"]


class _reading:
    """Damage in a file becomes a :class:`DataError` that names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, pa.ArrowException | OSError | MemoryError):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{self._path} cannot be read: {reason}") from error


def _contents(path: Path) -> tuple[pa.Schema, list[int]]:
    """Its columns, and the rows of each of its groups."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; give the path of a table")
    if path.name.lower().endswith(".parquet"):
        with parquet.ParquetFile(path) as file:
            metadata = file.metadata
            lengths = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            return file.schema_arrow, lengths
    if not can_be_parted(path):
        raise DataError(f"{path} is an Arrow stream, which has no parts; write it as Parquet or Feather")
    with pa.OSFile(str(path)) as file:
        with ipc.open_file(file) as reader:
            schema = reader.schema
        # Of one column only the buffers are read, and so the lengths can be had without the rest.
        options = ipc.IpcReadOptions(included_fields=[0] if len(schema) else None, use_threads=False)
        with ipc.open_file(file, options=options) as reader:
            return schema, [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]


def _of_row_group(group: Group, columns: list[str], size: int) -> Generator[pa.RecordBatch, None, None]:
    # Without a buffer of its own a reader takes a whole column chunk into memory at once.
    with parquet.ParquetFile(group.path, pre_buffer=False, buffer_size=_PAGE, memory_map=False) as file:
        yield from file.iter_batches(size, row_groups=[group.index], columns=columns, use_threads=False)


def _of_record_batch(group: Group, columns: list[str], size: int) -> Generator[pa.RecordBatch, None, None]:
    with pa.OSFile(str(group.path)) as file:
        with ipc.open_file(file) as reader:
            fields = [reader.schema.get_field_index(name) for name in columns]
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        with ipc.open_file(file, options=options) as reader:
            batch = reader.get_batch(group.index)
    batch.validate(full=True)  # Arrow trusts the offsets in a file unless it is asked not to
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)
