"""Tables from wherever they are to one form: named columns as Arrow keeps them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rheon.arrays import as_numpy
from rheon.datasets import TABLES, random_split
from rheon.errors import DataError
from rheon.tables.formats import read_file
from rheon.tables.schema import unknown


@dataclass(frozen=True)
class Table:
    """Rows of named columns, of any types.

    ``data``: the columns. ``named``: whether the names came with the data; without, they are x0, x1, …
    ``notes``: what reading assumed, for people.
    """

    data: pa.Table
    named: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.data.num_rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The names."""
        return tuple(self.data.column_names)

    def take(self, rows: NDArray[np.integer]) -> "Table":
        """The rows with these numbers, in this order."""
        return replace(self, data=self.data.take(pa.array(rows)))

    def split(self, share: float, seed: int) -> tuple["Table", "Table"]:
        """(the other rows, rows held out at random), the share of all."""
        rest, held_out = random_split(len(self), share, seed)
        return self.take(rest), self.take(held_out)

    def sample(self, n: int, seed: int) -> "Table":
        """At most n of its rows, drawn at random; all in their order where there are no more."""
        if n >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False)))

    @property
    def values(self) -> NDArray[np.float64]:
        """The rows of a table of numbers, (N, D)."""
        columns = [column.cast(pa.float64(), safe=False).to_numpy() for column in self.data.columns]
        return np.stack(columns, 1)

    def require(self, columns: Sequence[str]) -> "Table":
        """These columns in this order.

        Rows without names are taken by position if there are as many columns as asked for.

        Raises:
            DataError: a column is missing.
        """
        names = columns if self.named else _by_position(columns, self.columns)
        for name in names:
            if name not in self.columns:
                raise DataError(str(unknown(name, self.columns)))
        picked = self.data.select(list(names)).rename_columns(list(columns))
        return Table(picked, True, self.notes)


def read_table(source: Any) -> Table:
    """Rows, from a path or an object.

    Args:
        source: wine, breast_cancer, diabetes or clinic, which are built in; the path of a .csv, .tsv, .txt,
            .data, .dat, .test (all may be gzipped), .parquet, .arrow, .feather, .npy or .npz file; an array
            or a tensor (N, D) or (N,); a frame or a series of pandas, polars, pyarrow or what else narwhals
            knows.

    Raises:
        DataError: nothing there, a damaged file, no row, no column, two columns of one name, a column whose
            values are of different types.

    >>> read_table([[1.0, 7.0], [2.0, 7.0]]).columns
    ('x0', 'x1')
    """
    if isinstance(source, Table):
        return source
    notes: tuple[str, ...] = ()
    named = True
    if isinstance(source, str) and source in TABLES:
        return _checked(pa.table(TABLES[source]()), True, notes)
    if isinstance(source, str | os.PathLike):
        contents = read_file(Path(source))
        source, named, notes = contents.rows, contents.named, contents.notes
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        return _checked(source, named, notes)
    frame = _frame(source)
    if frame is not None:
        return _checked(_of_frame(frame), True, notes)
    array = _rows(as_numpy(source))
    columns = {f"x{i}": pa.array(np.ascontiguousarray(array[:, i])) for i in range(array.shape[1])}
    return _checked(pa.table(columns), False, notes)


def _checked(data: pa.Table, named: bool, notes: tuple[str, ...]) -> Table:
    names = [str(name) or f"column {i + 1}" for i, name in enumerate(data.column_names)]
    if not names:
        raise DataError("the table has no columns; expected at least one")
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two columns are named {name!r}; give each its own name")
    if data.num_rows == 0:
        raise DataError("the table has no rows; expected at least one")
    return Table(data.rename_columns(names), named, notes)


def _frame(source: Any) -> "nw.DataFrame[Any] | None":
    try:
        frame = nw.from_native(source, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError("two columns have the same name; give each its own") from error
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, nw.Series):
        frame = frame.to_frame()
    return frame if isinstance(frame, nw.DataFrame) else None


def _of_frame(frame: "nw.DataFrame[Any]") -> pa.Table:
    arrays, names = [], []
    for series in frame.iter_columns():
        name = "" if series.name is None else str(series.name)
        try:
            arrays.append(series.to_arrow())
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"column {name!r} holds values of different types, or of one that is not known "
                f"({reason:.80}); make them all numbers or all text"
            ) from error
        names.append(name)
    return pa.table(arrays, names=names)


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            f"the array has shape {array.shape}; a table is (rows, columns), or one column (rows,)"
        )
    if array.dtype == np.longdouble and array.dtype != np.float64:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _by_position(columns: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """x0, x1, … in place of names that rows without names cannot know, if there are as many of them."""
    numbered = [f"x{i}" for i in range(len(columns))]
    return columns if set(columns) <= set(known) or set(known) != set(numbered) else numbered
