"""Tables larger than memory: a Parquet or Arrow file, or a folder of them, read part by part.

One pass over all rows finds what must be known before anything is learned: what the columns are, a
fingerprint of every value, and a pool of rows drawn at random, from which come test and validation rows, and
samples. Training then reads blocks of consecutive rows.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rheon.arrays import memory_limit
from rheon.tables.parts import Parts, can_be_parted
from rheon.tables.reading import Table, read_table
from rheon.tables.scanning import Scan, learnable
from rheon.tables.schema import Schema
from rheon.training import Blocks, Encoded

LIBRARIES = 1 << 30
"""Bytes that torch and its like take before there are any data."""
IN_MEMORY = 1 / 8
"""Share of the memory beyond that which the values of a table may take: learning holds several copies."""
WINDOW_BYTES = 1 << 26
"""Of rows that are shuffled together, as the flow wants them; at most twice as many are in memory."""
HELD_OUT = 50_000
"""Rows that :meth:`StreamedTable.split` holds out at most, since they are kept in memory."""

_BLOCKS_OF_A_WINDOW = 16
_SPLIT, _SAMPLE = 1, 2


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
        if 8 * len(parts) * max(len(learnable(parts)), 1) >= IN_MEMORY * (memory_limit() - LIBRARIES):
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

    ``schema``: what the columns are. ``pool``: rows drawn at random, in memory, and ``pool_rows`` their
    numbers. ``digest``: SHA-256 of all values.
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
            DataError: an infinite value, or no column that can be learned.
        """
        scan = Scan(parts)
        for batch in parts.batches(scan.read):
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
