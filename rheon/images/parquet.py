"""Parquet files with a column of encoded pictures, as Hugging Face's datasets have them.

The column is a struct with a field ``bytes`` (and perhaps ``path``), or plain binary; labels, where there are
any, are whole numbers in ``label``, ``labels`` or ``fine_label``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rheon.arrays import check_room
from rheon.errors import DataError
from rheon.images.members import Held, Members
from rheon.images.parts import TEST_NAMES

_LABELS = ("label", "labels", "fine_label")
_PREFERRED = ("image", "img", "picture")
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"BM")


def image_column(path: Path) -> str | None:
    """The column of encoded pictures, None if there is none or the file cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet

    def is_binary(kind: Any) -> bool:
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    try:
        with parquet.ParquetFile(path) as file:
            found = []
            for field in file.schema_arrow:
                if pa.types.is_struct(field.type):
                    if any(inner.name == "bytes" and is_binary(inner.type) for inner in field.type):
                        found.append(field.name)
                elif is_binary(field.type):
                    first = next(file.iter_batches(1, columns=[field.name]), None)
                    value = first and first.column(0)[0].as_py()
                    if value and value.startswith(_BEGINNINGS):
                        found.append(field.name)
    except (pa.ArrowException, OSError):
        return None
    return next((name for name in _PREFERRED if name in found), found[0] if found else None)


def shards(folder: Path) -> list[Path]:
    """The Parquet files in a folder and in those below it, if they hold pictures."""
    files = sorted(file for file in folder.rglob("*.parquet") if file.name[0] not in "._" and file.is_file())
    return files if files and image_column(files[0]) else []


def parquet_members(path: Path) -> Members:
    """The pictures of one file, as they are encoded, in memory."""
    names, data, labels = _read(path)
    return Held(names, data, labels)


def shard_members(files: Sequence[Path]) -> Members:
    """The pictures of several; a name begins with the part, ``train/`` say, that the file's name tells."""
    names, data, labels = [], [], []
    for file in files:
        rows, encoded, numbers = _read(file)
        words = [*file.parts[-3:-1], file.name.split("-")[0].split(".")[0]]
        part = next((f"{word}/" for word in words if word in ("train", *TEST_NAMES)), "")
        names += [f"{part}{file.name} {row}" for row in rows]
        data += encoded
        check_room(sum(map(len, data)), file.parent)
        labels.append(numbers)
    known = [numbers for numbers in labels if numbers is not None]
    return Held(names, data, np.concatenate(known) if len(known) == len(labels) else None)


def _read(path: Path) -> tuple[list[str], list[bytes], np.ndarray | None]:
    import pyarrow as pa
    from pyarrow import parquet

    name = image_column(path)
    if name is None:
        raise DataError(f"{path} has no column of encoded pictures (binary, or a struct with bytes)")
    try:
        with parquet.ParquetFile(path) as file:
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            size = sum(
                column.total_uncompressed_size
                for group in groups
                for column in map(group.column, range(group.num_columns))
                if column.path_in_schema.split(".")[0] == name
            )
            check_room(size, path)
            label = next((n for n in _LABELS if n in file.schema_arrow.names), None)
            table = file.read([name] if label is None else [name, label])
        table.validate(full=True)  # Arrow trusts the offsets in a file unless it is asked not to
        column = table.column(name)
        paths: list[str | None] = [None] * len(column)
        if pa.types.is_struct(column.type):
            fields = [field.name for field in column.type]
            flat = dict(zip(fields, column.flatten(), strict=True))
            column = flat["bytes"]
            paths = flat["path"].to_pylist() if "path" in flat else paths
        data = [value or b"" for value in column.to_pylist()]
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return [_name(name, row) for row, name in enumerate(paths)], data, _labels(table, label)


def _name(path: str | None, row: int) -> str:
    return f"row {row}" + (f" ({path.rsplit('/', 1)[-1]})" if path else "")


def _labels(table: Any, label: str | None) -> np.ndarray | None:
    import pyarrow as pa

    if label is None:
        return None
    column = table.column(label)
    if not pa.types.is_integer(column.type) or column.null_count:
        return None
    return column.to_numpy().astype(np.int64)
