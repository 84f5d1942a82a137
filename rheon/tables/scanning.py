"""One pass over a table that is larger than memory: what its columns are, and a pool of rows drawn at random.

What columns are is guessed from the pool, as of a table in memory, and then made to hold for all rows: shares
of missing values, categories of text, bounds and the steps of whole numbers are those of the whole file. A
number that is none of the pool's levels counts as a value that was never seen, one off a grid as the nearest.
"""

import math
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rheon.errors import DataError
from rheon.tables.guessing import INDEX, MOST_CATEGORIES, guess_column
from rheon.tables.parts import Parts
from rheon.tables.reading import Table
from rheon.tables.schema import Column, Schema
from rheon.tables.values import decoded, is_missing, number_values, type_name

_POOL_ROWS, _POOL_BYTES = 150_000, 1 << 26
_POOL = 0


class Scan:
    """What one pass over the rows collects.

    Args:
        parts: all rows.

    Attributes:
        read: names of the columns that can be learned, as far as their types say.
        pool_rows: numbers of the rows of the pool, ascending.
        digest: SHA-256 of all values of these columns.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.read = learnable(parts)
        n = len(parts)
        most = min(n, _POOL_ROWS, max(_POOL_BYTES // (8 * max(len(self.read), 1)), 1000))
        self.pool_rows = np.sort(np.random.default_rng([_POOL, n]).choice(n, most, replace=False))
        self.digest = sha256(f"{self.read}".encode())
        self._pool: list[pa.Table] = []
        self._place = 0
        self._columns = {name: _Facts(name) for name in self.read}

    def take(self, batch: pa.RecordBatch) -> None:
        """Notes the next rows.

        Raises:
            DataError: a value is infinite, with its row.
        """
        columns = [decoded(pa.chunked_array([column])) for column in batch.columns]
        for name, column in zip(self.read, columns, strict=True):
            self.digest.update(self._columns[name].take(column, self._place))
        end = self._place + len(batch)
        first, last = np.searchsorted(self.pool_rows, (self._place, end))
        taken = pa.table(columns, names=self.read).take(pa.array(self.pool_rows[first:last] - self._place))
        self._pool.append(taken)
        self._place = end

    def pool(self) -> tuple[Schema, Table]:
        """What the columns are, and the pool as a table of those that are learned.

        Raises:
            DataError: there are none.
        """
        pool = pa.concat_tables(self._pool)
        columns = tuple(
            self._columns[field.name].column(pool[field.name], self.pool_rows, self._place)
            if field.name in self._columns
            else guess_column(field.name, pa.chunked_array([], field.type))
            for field in self._parts.schema
        )
        schema = Schema(columns)
        if not schema.names:
            reasons = "; ".join(f"{c.name!r}: {c.note}" for c in columns[:8])
            raise DataError(f"no column is left to learn ({reasons}); a density needs at least one")
        return schema, Table(pool.select(schema.names))


class _Facts:
    """What is counted of one column over all rows."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._missing = 0
        self._texts: set[str] = set()
        self._first: int | None = None
        self._low: float | None = None
        self._high: float | None = None
        self._step = 0

    def take(self, column: pa.ChunkedArray, place: int) -> bytes:
        """Notes the next values, the first of which is that of row ``place``; returns them as bytes."""
        missing = is_missing(column)
        self._missing += int(missing.sum())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            if len(self._texts) <= MOST_CATEGORIES:
                self._texts.update(pc.drop_null(column.unique()).to_pylist())
            return "\x1f".join("\x1e" if v is None else v for v in column.to_pylist()).encode()
        if pa.types.is_boolean(column.type):
            return pc.fill_null(column.cast(pa.int8()), 2).to_numpy().tobytes()
        try:
            values = number_values(self._name, column)
        except DataError as error:
            where = f"in rows {place + 1:,} to {place + len(column):,}, counting from the first of these: "
            raise DataError(f"{where}{error}") from None
        if len(there := values[~missing]):
            first = there[0].item()
            low, high = there.min().item(), there.max().item()
            self._low = low if self._low is None else min(self._low, low)
            self._high = high if self._high is None else max(self._high, high)
            if values.dtype.kind == "i":
                self._first = first if self._first is None else self._first
                apart = int(np.gcd.reduce(there - there[0]))
                self._step = math.gcd(self._step, self._first - first, apart)
        return np.where(missing, values.dtype.type(0), values).tobytes() + np.packbits(missing).tobytes()

    def column(self, pool: pa.ChunkedArray, rows: np.ndarray, n: int) -> Column:
        """What the column is, of n rows."""
        column = guess_column(self._name, pool)
        if column.kind == "constant" and (self._low != self._high or len(self._texts) > 1):
            return replace(column, note=f"{column.note} in all rows of a sample")
        if self._missing == n:
            return replace(column, kind="empty", missing=1.0, note="no values")
        if column.modelled and column.dtype == "string":
            if len(self._texts) > MOST_CATEGORIES:
                note = f"more than {MOST_CATEGORIES:,} different values"
                return replace(column, kind="text", categories=(), note=note)
            column = replace(column, categories=tuple(sorted(self._texts)))
        elif column.kind in ("integer", "datetime"):
            if _counts(pool, rows):
                return Column(self._name, "id", column.dtype, note="numbers rows")
            column = replace(column, step=self._step or column.step, low=self._low, high=self._high)
        elif column.kind == "continuous" and self._low is not None and self._high is not None:
            low = None if column.low is not None and self._low < column.low else column.low
            high = None if column.high is not None and self._high > column.high else column.high
            column = replace(column, low=low, high=high)
        elif column.kind == "stepped":
            column = replace(column, low=self._low, high=self._high)
        return replace(column, missing=1 - (n - self._missing) / n) if column.modelled else column


def learnable(parts: Parts) -> list[str]:
    """Names of the columns whose types can be learned."""
    return [
        field.name
        for field in parts.schema
        if type_name(field.type) is not None and not field.name.startswith(INDEX)
    ]


def _counts(pool: pa.ChunkedArray, rows: np.ndarray) -> bool:
    """Whether whole numbers grow by one from row to row."""
    if pool.null_count or not pa.types.is_integer(pool.type):
        return False
    return bool((np.diff(number_values("", pool)) == np.diff(rows)).all())
