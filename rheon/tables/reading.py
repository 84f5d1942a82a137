"""Tables from wherever they are to one form: named columns of float64, all of them finite.

Columns that a continuous density cannot hold — text, dates, true and false, constants — are left out, and
said.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from rheon.arrays import as_numpy
from rheon.datasets import random_split
from rheon.errors import DataError
from rheon.tables.formats import read_file

EXACT = 2**53  # beyond it float64 skips whole numbers
TOO_LARGE = "whole numbers too large to tell apart as float64"


@dataclass(frozen=True)
class Table:
    """Rows ready for a density.

    ``columns``: D names. ``values``: float64 (N, D), finite. ``dropped``: (column, reason) of those left out.
    ``dtypes``: what each column was, as NumPy's name ("int64", "float32"), for writing rows back.
    ``named``: whether the names came with the data; without, they are x0, x1, …
    """

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    dropped: tuple[tuple[str, str], ...] = ()
    dtypes: tuple[str, ...] = ()
    named: bool = True
    constants: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """The rows with these numbers, in this order."""
        return replace(self, values=self.values[rows])

    def split(self, share: float, seed: int) -> tuple["Table", "Table"]:
        """(the other rows, rows held out at random), the share of all."""
        rest, held_out = random_split(len(self), share, seed)
        return self.take(rest), self.take(held_out)

    def sample(self, n: int, seed: int) -> "Table":
        """At most n of its rows, drawn at random; all in their order where there are no more."""
        if n >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False)))

    def require(self, columns: Sequence[str]) -> "Table":
        """These columns in this order; a constant that was left out is found again.

        Rows without names are taken by position if there are as many columns as asked for.

        Raises:
            DataError: a column is missing.
        """
        known = [*self.columns, *self.constants]
        names = columns if self.named else _by_position(columns, known)
        reasons = dict(self.dropped)
        values = np.empty((len(self), len(names)))
        dtypes = []
        for i, name in enumerate(names):
            if name in self.columns:
                place = self.columns.index(name)
                values[:, i] = self.values[:, place]
                dtypes.append(self.dtypes[place])
            elif name in self.constants:
                values[:, i], dtype = self.constants[name]
                dtypes.append(dtype)
            elif name in reasons:
                raise DataError(f"column {name!r} is needed and cannot be used: {reasons[name]}")
            else:
                raise _missing(name, known)
        return Table(tuple(columns), values, self.dropped, tuple(dtypes))


def read_table(source: Any, columns: Sequence[str] | None = None) -> Table:
    """Rows of numbers, from a path or an object.

    Args:
        source: the path of a .csv, .tsv (both may be gzipped), .parquet, .arrow, .feather, .npy or .npz
            file; an array or a tensor (N, D) or (N,); a frame or a series of pandas, polars, pyarrow or
            what else narwhals knows.
        columns: None takes all numeric columns that vary, to fit. Names take exactly these in this order,
            constant or not, to score; other columns are not looked at.

    Raises:
        DataError: nothing there, a damaged file, no row, no column to use, a missing or infinite value in a
            numeric column (named with its first row, counted from 1), a column of ``columns`` that is not
            there.

    >>> table = read_table([[1.0, 7.0, 0.5], [2.0, 7.0, 0.25]])
    >>> table.columns, table.dropped
    (('x0', 'x2'), (('x1', 'constant (7)'),))
    """
    if isinstance(source, Table):
        return source if columns is None else source.require(columns)
    if isinstance(source, str | os.PathLike):
        source = read_file(Path(source)).rows
    try:
        frame = nw.from_native(source, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError("two columns have the same name; give each its own") from error
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, nw.Series):
        frame = frame.to_frame()
    if isinstance(frame, nw.DataFrame):
        table = _collect(_of_frame(frame), len(frame), columns, named=True)
        return table if columns is None else table.require(columns)
    array = _rows(as_numpy(source))
    if columns is None:
        return _collect(_of_array(array), len(array), None, named=False)
    wanted = _by_position(columns, _numbered(array.shape[1]))
    table = _collect(_of_array(array), len(array), wanted, named=True)
    return replace(table.require(wanted), columns=tuple(columns))


def _collect(parts: "Iterator[_Part]", n: int, wanted: Sequence[str] | None, named: bool) -> Table:
    names: list[str] = []
    kept: list[tuple[str, NDArray[np.float64], str]] = []
    dropped: list[tuple[str, str]] = []
    constants: dict[str, tuple[float, str]] = {}
    if n == 0:
        raise DataError("the table has no rows; expected at least one")
    for name, values, note in parts:
        if name in names:
            raise DataError(f"two columns are named {name!r}; give each its own name")
        names.append(name)
        if wanted is not None and name not in wanted:
            continue
        if values is None:
            dropped.append((name, note))
            continue
        _check_finite(name, values)
        if wanted is None and values.min() == values.max():
            dropped.append((name, f"constant ({values[0]:.6g})"))
            constants[name] = float(values[0]), note
        else:
            kept.append((name, values, note))
    for name in wanted or ():
        if name not in names:
            raise _missing(name, names)
    if wanted is None and not kept:
        reasons = "; ".join(f"{name!r}: {reason}" for name, reason in dropped[:8])
        raise DataError(f"no column holds numbers that vary ({reasons}); a density needs at least one")
    values = np.stack([column for _, column, _ in kept], axis=1) if kept else np.empty((n, 0))
    return Table(
        tuple(name for name, _, _ in kept),
        values,
        tuple(dropped),
        tuple(dtype for _, _, dtype in kept),
        named,
        constants,
    )


_Part = tuple[str, NDArray[np.float64] | None, str]
"""A column: its name, its values or None if it holds no numbers, and its dtype or else the reason."""


def _of_array(array: NDArray[Any]) -> Iterator[_Part]:
    for i in range(array.shape[1]):
        yield f"x{i}", array[:, i].astype(np.float64), array.dtype.name


def _of_frame(frame: nw.DataFrame[Any]) -> Iterator[_Part]:
    for i, series in enumerate(frame.iter_columns()):
        name = str(series.name) or f"column {i + 1}"
        dtype = series.dtype
        if name.startswith("__index_level_"):
            yield name, None, "an index that pandas stored"
        elif series.null_count() == len(series):
            yield name, None, "no values"
        elif not dtype.is_numeric():
            yield name, None, kind_of(dtype)
        elif dtype.is_integer() and max(abs(int(series.min())), abs(int(series.max()))) > EXACT:
            yield name, None, TOO_LARGE
        else:
            yield name, series.cast(nw.Float64).to_numpy().astype(np.float64), _dtype_name(dtype)


def kind_of(dtype: Any) -> str:
    """What values that are no numbers are, in words; of a narwhals dtype."""
    if dtype.is_temporal():
        return "dates or times"
    if dtype == nw.Boolean:
        return "true and false"
    return "text" if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object) else f"values of type {dtype}"


def _dtype_name(dtype: Any) -> str:
    return str(dtype).lower() if dtype.is_integer() or dtype.is_float() else "float64"


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            f"the array has shape {array.shape}; a table is (rows, columns), or one column (rows,)"
        )
    return array


def _numbered(width: int) -> list[str]:
    return [f"x{i}" for i in range(width)]


def _by_position(columns: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """x0, x1, … in place of names that rows without names cannot know, if there are as many of them."""
    numbered = _numbered(len(columns))
    return columns if set(columns) <= set(known) or set(known) != set(numbered) else numbered


def _missing(name: str, known: Sequence[str]) -> DataError:
    close = get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"the data have {', '.join(map(repr, known[:12]))}"
    return DataError(f"column {name!r} is missing; {advice}")


def _check_finite(name: str, values: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(bad.argmax())
        what = "missing" if np.isnan(values[first]) else "infinite"
        raise DataError(
            f"column {name!r} has {int(bad.sum()):,} missing or infinite values, the first ({what}) in row "
            f"{first + 1}; remove or fill these rows, or leave the column out"
        )
