"""Tables larger than memory: a Parquet or Arrow file, or a folder of them, read part by part.

One pass over all rows finds what must be known before anything is learned: which columns hold numbers that
vary, whether all are finite, a fingerprint of every value, and a pool of rows drawn at random, from which
test and validation rows and samples are taken. Training then reads blocks of consecutive rows.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rheon.arrays import memory_limit
from rheon.errors import DataError
from rheon.tables.parts import Parts, can_be_parted
from rheon.tables.reading import Table, read_table
from rheon.tables.schema import Column, Schema
from rheon.tables.values import type_name
from rheon.training import Blocks, Encoded

LIBRARIES = 1 << 30
"""Bytes that torch and its like take before there are any data."""
IN_MEMORY = 1 / 8
"""Share of the memory beyond that which the values of a table may take: learning holds several copies."""
WINDOW_BYTES = 1 << 26
"""Of rows that are shuffled together, as the flow wants them; at most twice as many are in memory."""
HELD_OUT = 50_000
"""Rows that :meth:`StreamedTable.split` holds out at most, since they are kept in memory."""

_POOL_ROWS, _POOL_BYTES = 150_000, 1 << 26
_BLOCKS_OF_A_WINDOW = 16
_INDEX = "__index_level_"
_EXACT = 2**53  # beyond it float64 skips whole numbers
_POOL, _SPLIT, _SAMPLE = range(3)


def open_table(source: Any) -> "Table | StreamedTable":
    """Rows to fit: in memory, or left on the disk where they would take too much of it (``IN_MEMORY``).

    The memory is that of this machine, or what the process is limited to (``ulimit -v``, a container).

    Args:
        source: what :func:`~rheon.tables.read_table` takes.

    Raises:
        DataError: as :func:`~rheon.tables.read_table` does.
    """
    if isinstance(source, StreamedTable):
        return source
    if isinstance(source, str | os.PathLike) and can_be_parted(Path(source)):
        parts = Parts(Path(source))
        if 8 * len(parts) * max(len(_numeric(parts)), 1) >= IN_MEMORY * (memory_limit() - LIBRARIES):
            return StreamedTable.scan(parts)
    return read_table(source)


def read_in_parts(path: Path, columns: Sequence[str], rows: int) -> Iterator[Table]:
    """The rows of a .parquet, .arrow or .feather file, or of a folder of such, ``rows`` at a time, in order.

    Args:
        path: of what :func:`~rheon.tables.parts.can_be_parted`.
        columns: exactly these in this order.
        rows: of each table but the last.

    Raises:
        DataError: as :func:`~rheon.tables.read_table` does, or a column is missing.
    """
    parts = Parts(path)
    there = set(columns) <= set(parts.schema.names)
    spans = [(start, min(start + rows, len(parts))) for start in range(0, len(parts), rows)]
    batches = parts.batches(columns if there else parts.schema.names)
    for part in cut(batches, spans):
        yield read_table(part).require(columns)


@dataclass(frozen=True, eq=False)
class StreamedTable:
    """Rows on the disk, ready for a density; made by :meth:`scan`.

    ``schema``: what the columns are; numbers are real ones, and whatever else there is is left out. ``pool``:
    rows drawn at random, in memory, and ``pool_rows`` their numbers. ``digest``: SHA-256 of all values.
    ``held_out``: numbers of the rows that :meth:`split` has taken away, ascending.
    """

    parts: Parts
    schema: Schema
    pool: Table = field(repr=False)
    pool_rows: NDArray[np.int64] = field(repr=False)
    digest: str
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    @classmethod
    def scan(cls, parts: Parts) -> "StreamedTable":
        """Reads all rows once.

        Raises:
            DataError: a missing or infinite value, or no column of numbers that vary.
        """
        numeric = _numeric(parts)
        scan = _Scan(parts, numeric)
        for batch in parts.batches(numeric):
            scan.take(batch)
        schema, pool = scan.pool()
        return cls(parts, schema, pool, scan.pool_rows, scan.digest.hexdigest())

    def __len__(self) -> int:
        return len(self.parts) - len(self.held_out)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.schema.names

    def split(self, share: float, seed: int) -> tuple["StreamedTable", Table]:
        """(the other rows, rows held out at random): the share of all, but at most ``HELD_OUT``."""
        places = self._free()
        n = min(round(share * len(self)), HELD_OUT, len(places) // 3)
        taken = np.sort(np.random.default_rng([_SPLIT, seed]).choice(places, n, replace=False))
        held_out = np.sort(np.concatenate((self.held_out, self.pool_rows[taken])))
        return replace(self, held_out=held_out), self.pool.take(taken)

    def sample(self, n: int, seed: int) -> Table:
        """At most n of its rows, drawn at random, and no more than the pool has."""
        places = self._free()
        taken = np.random.default_rng([_SAMPLE, seed]).choice(places, min(n, len(places)), replace=False)
        return self.pool.take(np.sort(taken))

    def source(self, encode: Callable[[Table], Encoded]) -> Blocks:
        """Its rows to train on, read when they are needed.

        ``encode`` makes of rows in the columns' units what the flow wants, row by row.
        """
        row = [part for part in encode(self.pool.take(np.zeros(1, np.int64))) if part is not None]
        size = sum(part.numel() * part.element_size() for part in row)
        most = max(WINDOW_BYTES // (size * _BLOCKS_OF_A_WINDOW), 1)
        blocks = [
            (group, (start, min(start + most, group.rows)))
            for group in self.parts.groups
            for start in range(0, group.rows, most)
        ]

        def read(numbers: Sequence[int]) -> Iterator[Encoded]:
            for group, run in groupby((blocks[number] for number in numbers), lambda block: block[0]):
                # One pass from the beginning of a group, since nobody can begin within it.
                batches = self.parts.of_group(group, self.columns)
                for part in cut(batches, (span for _, span in run)):
                    yield encode(read_table(part).require(self.columns))

        lengths = [end - start for _, (start, end) in blocks]
        return Blocks(lengths, read, self.held_out, _BLOCKS_OF_A_WINDOW, self.columns)

    def fingerprint(self) -> str:
        """SHA-256 of all values, of the names, and of which rows are held out."""
        names = "\n".join(self.columns).encode()
        return sha256(self.digest.encode() + names + self.held_out.tobytes()).hexdigest()

    def _free(self) -> NDArray[np.int64]:
        """Places in the pool whose rows are not held out."""
        return np.flatnonzero(~np.isin(self.pool_rows, self.held_out, assume_unique=True))


def cut(batches: Iterable[pa.RecordBatch], spans: Iterable[tuple[int, int]]) -> Iterator[pa.Table]:
    """The rows start … end - 1 of each span, ascending; what lies before and between is passed over."""
    wanted = iter(spans)
    span, pieces, place = next(wanted, None), [], 0
    for batch in batches:
        end = place + batch.num_rows
        while span is not None and span[0] < end:
            first, last = max(span[0], place), min(span[1], end)
            pieces.append(batch.slice(first - place, last - first))
            if last < span[1]:
                break
            yield pa.Table.from_batches(pieces)
            span, pieces = next(wanted, None), []
        if span is None:
            return
        place = end


class _Scan:
    """What one pass over the rows collects."""

    def __init__(self, parts: Parts, numeric: list[str]) -> None:
        self._parts, self._numeric = parts, numeric
        n = len(parts)
        most = min(n, _POOL_ROWS, max(_POOL_BYTES // (8 * max(len(numeric), 1)), 1000))
        self.pool_rows = np.sort(np.random.default_rng([_POOL, n]).choice(n, most, replace=False))
        self.digest = sha256(f"{numeric}".encode())
        self._pool: list[pa.Table] = []
        self._place = 0
        self._bad = dict.fromkeys(numeric, 0)
        self._missing = dict.fromkeys(numeric, 0)
        self._first: dict[str, tuple[int, str]] = {}
        self._too_large: set[str] = set()

    def take(self, batch: pa.RecordBatch) -> None:
        """Notes the next rows."""
        for name, column in zip(self._numeric, batch.columns, strict=True):
            if pa.types.is_integer(column.type) and column.type.bit_width == 64:
                ends = pc.min_max(column).as_py().values()
                if any(end is not None and abs(end) > _EXACT for end in ends):
                    self._too_large.add(name)
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            self.digest.update(np.ascontiguousarray(values).data)
            bad = ~np.isfinite(values)
            if bad.any():
                self._bad[name] += int(bad.sum())
                self._missing[name] += column.null_count
                row = int(bad.argmax())
                what = "missing" if np.isnan(values[row]) else "infinite"
                self._first.setdefault(name, (self._place + row + 1, what))
        end = self._place + len(batch)
        first, last = np.searchsorted(self.pool_rows, (self._place, end))
        taken = batch.take(pa.array(self.pool_rows[first:last] - self._place))
        self._pool.append(pa.Table.from_batches([taken]))
        self._place = end

    def pool(self) -> tuple[Schema, Table]:
        """What the columns are, and the pool as a table of those that can be used."""
        pool = pa.concat_tables(self._pool)
        columns = [self._column(field, pool) for field in self._parts.schema]
        usable = [column.name for column in columns if column.modelled]
        if not usable:
            reasons = "; ".join(f"{c.name!r}: {c.note}" for c in columns[:8])
            raise DataError(f"no column holds numbers that vary ({reasons}); a density needs at least one")
        return Schema(tuple(columns)), Table(pool.select(usable))

    def _column(self, field: pa.Field, pool: pa.Table) -> Column:
        name, dtype = field.name, type_name(field.type) or "other"
        if name not in self._numeric:
            index = name.startswith(_INDEX)
            return Column(
                name, "id" if index else "text", dtype, note="an index that pandas stored" if index else dtype
            )
        if name in self._too_large:
            return Column(name, "id", dtype, note="whole numbers too large to tell apart as float64")
        if self._missing[name] == self._place:
            return Column(name, "empty", dtype, note="no values")
        if name in self._first:
            row, what = self._first[name]
            raise DataError(
                f"column {name!r} has {self._bad[name]:,} missing or infinite values, the first ({what}) "
                f"in row {row:,}; remove or fill these rows, or leave the column out"
            )
        ends = pc.min_max(pool[name]).as_py()
        if ends["min"] == ends["max"]:
            return Column(name, "constant", dtype, note=f"constant ({float(ends['min']):.6g})")
        return Column(name, "continuous", dtype)


def _kinds(parts: Parts) -> dict[str, Any]:
    """The narwhals dtype of each column."""
    return dict(nw.from_native(parts.schema.empty_table()).schema)


def _numeric(parts: Parts) -> list[str]:
    """Names of the columns that hold numbers."""
    return [
        name for name, dtype in _kinds(parts).items() if dtype.is_numeric() and not name.startswith(_INDEX)
    ]
