"""Rows of mixed columns as two arrays: codes c of what has few values, numbers y of what lies on a line.

    log p(row) = log p(c) + log p(y | c)

c_j is the place of a value among a column's categories. A column of numbers gets a code of its own only if it
has atoms or missing values: 0 says that y holds its number, then come the atoms, and missing last. y counts
the steps of a column on a grid, atoms taken out: the values 0, 1, 3, 4 where 2 is an atom become 0, 1, 2, 3,
so that no probability is left where no number can be. A continuous column's y is its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rheon.errors import DataError
from rheon.tables.schema import LEVELS, NUMBERS, Column, Schema, unknown
from rheon.tables.values import arrow_type, decoded, is_missing, number_values, type_name

UNKNOWN = -1
"""The code of a value that is missing where no missing value was learned: it is summed out."""


@dataclass(frozen=True)
class Encoded:
    """N rows.

    ``codes``: int64 (N, C); :data:`UNKNOWN`, or as many as there are levels where a value was never seen.
    ``y``: float64 (N, D), NaN where there is no number. ``holes``: bool (N, D), numbers that are
    missing where no missing value was learned: they are integrated out.
    """

    codes: NDArray[np.int64]
    y: NDArray[np.float64]
    holes: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Any) -> "Encoded":
        """These rows."""
        return Encoded(self.codes[rows], self.y[rows], self.holes[rows])

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which rows have nothing to be summed or integrated out, (N,)."""
        return ~((self.codes == UNKNOWN).any(1) | self.holes.any(1))


@dataclass(frozen=True)
class Encoding:
    """Rows of a schema's modelled columns ↔ (c, y).

    >>> from rheon.tables.guessing import guess
    >>> table = pa.table({"c": ["a", "b", "b", "a"] * 25, "x": [0.5, 1.25, 2.5, -1.0] * 25})
    >>> encoding = Encoding(guess(table))
    >>> encoding.levels, encoding.encode(table.slice(1, 1)).codes.tolist()
    ((2, 4), [[1, 2]])
    """

    schema: Schema
    coded: tuple[Column, ...] = field(init=False)
    """The columns that have a code, in the order of c."""
    numbers: tuple[Column, ...] = field(init=False)
    """The columns that have a number, in the order of y."""
    levels: tuple[int, ...] = field(init=False)
    """L_j: how many values each code has, C numbers."""

    def __post_init__(self) -> None:
        columns = self.schema.modelled
        coded = tuple(c for c in columns if c.kind in LEVELS or c.atoms or c.has_missing)
        object.__setattr__(self, "coded", coded)
        object.__setattr__(self, "numbers", tuple(c for c in columns if c.kind in NUMBERS))
        object.__setattr__(self, "levels", tuple(map(_levels, coded)))

    @cached_property
    def on_grid(self) -> NDArray[np.bool_]:
        """Which numbers count steps, and are dequantised, (D,)."""
        return np.array([column.on_grid for column in self.numbers], dtype=bool)

    @cached_property
    def log_steps(self) -> NDArray[np.float64]:
        """log δ of numbers that count steps of a length in the column's own unit, else 0, (D,)."""
        return np.array([np.log(c.step) if c.kind in ("integer", "stepped") else 0.0 for c in self.numbers])

    def log_cells(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ log δ over the numbers of each row (N, D) that are there, (N,).

        A probability of steps, less this, is the density per unit of the columns that it is on average over
        the cells of a grid: the figure that data have whose steps were too fine to be seen.
        """
        return np.where(np.isnan(y), 0.0, self.log_steps).sum(1)

    @cached_property
    def states(self) -> tuple[int | None, ...]:
        """For each number the place in c of the code that says whether it is there, or None, D of them."""
        places = {column.name: place for place, column in enumerate(self.coded)}
        return tuple(places.get(column.name) for column in self.numbers)

    @cached_property
    def closed(self) -> tuple[int, ...]:
        """The places in c of codes that can have no value but those that are known."""
        open_ = ("categorical", "ordinal")
        return tuple(j for j, column in enumerate(self.coded) if column.kind not in open_)

    @cached_property
    def own_levels(self) -> tuple[int, ...]:
        """How many values each code has but for a missing one, C numbers."""
        return tuple(n - c.has_missing for n, c in zip(self.levels, self.coded, strict=True))

    def opened(self, rows: Encoded) -> Encoded:
        """The rows with missing values as unknown ones, where they are a level of their own too."""
        missing = rows.codes == np.where(self.has_missing, self.own_levels, UNKNOWN)
        holes = rows.holes.copy()
        for place, state in enumerate(self.states):
            if state is not None:
                holes[:, place] |= missing[:, state]
        return Encoded(np.where(missing, UNKNOWN, rows.codes), rows.y, holes)

    @cached_property
    def has_missing(self) -> NDArray[np.bool_]:
        """Which codes have a missing value among their levels, (C,)."""
        return np.array([column.has_missing for column in self.coded], dtype=bool)

    def present(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers the codes say are there, (N, D)."""
        present = np.ones((len(codes), len(self.numbers)), dtype=bool)
        for place, state in enumerate(self.states):
            if state is not None:
                present[:, place] = codes[:, state] == 0
        return present

    def encode(self, table: pa.Table) -> Encoded:
        """Rows of a table with at least these columns, by name.

        Raises:
            DataError: a column is missing, or holds what its kind cannot be; with row and value.
        """
        n = table.num_rows
        codes = np.empty((n, len(self.coded)), dtype=np.int64)
        y = np.full((n, len(self.numbers)), np.nan)
        holes = np.zeros((n, len(self.numbers)), dtype=bool)
        for place, column in enumerate(self.coded):
            if column.kind in LEVELS:
                codes[:, place] = _codes(column, _found(table, column))
        for place, (column, state) in enumerate(zip(self.numbers, self.states, strict=True)):
            values, missing = _numbers(column, _found(table, column))
            code, y[:, place] = _split(column, values, missing)
            holes[:, place] = missing & ~np.bool_(column.has_missing)
            if state is not None:
                codes[:, state] = np.where(holes[:, place], UNKNOWN, code)
        return Encoded(codes, y, holes)

    def decode(self, codes: NDArray[np.int64], y: NDArray[np.float64]) -> pa.Table:
        """Rows as the columns had them: their types, values on their grids, missing ones as nulls."""
        columns = {}
        places = {column.name: place for place, column in enumerate(self.coded)}
        numbers = {column.name: place for place, column in enumerate(self.numbers)}
        for column in self.schema.modelled:
            code = codes[:, places[column.name]] if column.name in places else np.zeros(len(codes), np.int64)
            if column.kind in LEVELS:
                columns[column.name] = _values(column, code)
            else:
                columns[column.name] = _joined(column, code, y[:, numbers[column.name]])
        return pa.table(columns)

    def within(self, y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which numbers are such as samples may have, (N, D); absent ones are."""
        good = ~np.isinf(y)
        for place, column in enumerate(self.numbers):
            low = None if column.low is None else _place(column, column.low, "left")
            high = None if column.high is None else _place(column, column.high, "right")
            slack = 0.5 if column.on_grid else 0.0
            if low is not None:
                good[:, place] &= ~(y[:, place] < low - slack)
            if high is not None:
                good[:, place] &= ~(y[:, place] >= high + slack) if slack else ~(y[:, place] > high)
        return good


def _levels(column: Column) -> int:
    own = len(column.categories) if column.kind in LEVELS else 1 + len(column.atoms)
    return own + column.has_missing


def _found(table: pa.Table, column: Column) -> pa.ChunkedArray:
    return table.column(column.name)


def _codes(column: Column, values: pa.ChunkedArray) -> NDArray[np.int64]:
    """The place of each value among the categories, or one of the two special codes."""
    text = isinstance(column.categories[0], str)
    name = type_name(values.type)
    if pa.types.is_null(values.type):
        return np.full(len(values), _levels(column) - 1 if column.has_missing else UNKNOWN)
    if isinstance(column.categories[0], bool):
        if name != "bool":
            raise DataError(f"column {column.name!r} must be true or false; it is {values.type}")
        found: Any = pc.fill_null(values.cast(pa.int8()), 0).to_numpy().astype(np.int64)
    elif text:
        known = pa.array(column.categories, pa.string())
        found = pc.index_in(decoded(values).cast(pa.string()), known)
        found = pc.fill_null(found, _levels(column)).to_numpy().astype(np.int64)
    else:
        if name is None or name in ("string", "bool"):
            raise DataError(f"column {column.name!r} holds numbers; here it is {values.type}")
        given = number_values(column.name, values)
        known = np.array(column.categories)
        found = np.searchsorted(known, given).clip(max=len(known) - 1)
        found = np.where(known[found] == given, found, _levels(column))
    return np.where(is_missing(values), _levels(column) - 1 if column.has_missing else UNKNOWN, found)


def _values(column: Column, code: NDArray[np.int64]) -> pa.Array:
    known = pa.array(list(column.categories), _storage(column))
    picked = known.take(pa.array(code, mask=code >= len(column.categories)))
    return _cast(picked, column)


def _numbers(column: Column, values: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """What y is made from, and which rows have no value."""
    name = type_name(values.type)
    if name is None or name in ("string", "bool"):
        if len(values) and values.null_count < len(values):
            first = next(v for v in values.to_pylist() if v is not None)
            raise DataError(f"column {column.name!r} holds numbers; here it holds {first!r:.60}")
        return np.zeros(len(values)), np.ones(len(values), dtype=bool)
    if name.startswith(("date", "time", "dur")) and name != column.dtype:
        values = values.cast(arrow_type(column.dtype))
    return number_values(column.name, values), is_missing(values)


def _split(
    column: Column, values: NDArray[Any], missing: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The code of a number and y, for each row."""
    code = np.zeros(len(values), dtype=np.int64)
    if column.on_grid:
        place = _steps(column, values)
        atoms = _steps(column, np.array(column.atoms)) if column.atoms else np.empty(0)
        y = place - np.searchsorted(atoms, place)
    else:
        place, atoms = values.astype(np.float64), np.array(column.atoms, dtype=np.float64)
        y = place
    for number, atom in enumerate(atoms, start=1):
        code[place == atom] = number
    if column.has_missing:
        code[missing] = 1 + len(atoms)
    return code, np.where((code > 0) | missing, np.nan, y)


def _joined(column: Column, code: NDArray[np.int64], y: NDArray[np.float64]) -> pa.Array:
    """What :func:`_split` took apart; y on a grid may have noise of half a step."""
    there = (code == 0) & ~np.isnan(y)
    filled = np.where(there, y, 0.0)
    if column.on_grid:
        place = np.rint(filled)
        for atom in _steps(column, np.array(column.atoms)) if column.atoms else ():
            place += place >= atom
        values = _from_steps(column, place)
    elif column.step:
        values = _from_steps(column, np.rint((filled - column.origin) / column.step))
    else:
        values = filled
    if column.low is not None or column.high is not None:
        values = np.clip(values, column.low, column.high)
    for number, atom in enumerate(column.atoms, start=1):
        values[code == number] = atom
    known = there | ((code > 0) & (code <= len(column.atoms)))
    if not _real(column):
        return _cast(pa.array(np.where(known, values, 0).astype(np.int64), mask=~known), column)
    return _cast(pa.array(values, mask=~known), column)


def _steps(column: Column, values: NDArray[Any]) -> NDArray[np.float64]:
    """How many steps from the origin, to the nearest."""
    if values.dtype.kind == "i" and float(column.step).is_integer() and float(column.origin).is_integer():
        step = int(column.step)
        return ((values - int(column.origin) + step // 2) // step).astype(np.float64)
    return np.rint((values - column.origin) / column.step)


def _place(column: Column, value: float, side: Literal["left", "right"]) -> float:
    """Where a value stands in y; an atom between its neighbours, on the side that is asked for."""
    if not column.on_grid:
        return value
    place = _steps(column, np.array([value]))
    atoms = _steps(column, np.array(column.atoms)) if column.atoms else np.empty(0)
    return float(place[0] - np.searchsorted(atoms, place[0], side))


def _from_steps(column: Column, place: NDArray[np.float64]) -> NDArray[Any]:
    if not _real(column):
        return int(column.origin) + int(column.step) * place.astype(np.int64)
    for scale in (10.0**decimals for decimals in range(10)):  # 0.1 is no float64, and ten tenths must be one
        step, origin = column.step * scale, column.origin * scale
        if abs(step - round(step)) < 1e-9 * step and abs(origin - round(origin)) < 1e-9 * max(abs(origin), 1):
            return (round(origin) + round(step) * place) / scale
    return column.origin + column.step * place


def _real(column: Column) -> bool:
    """Whether values are kept as float64, and not as whole numbers."""
    return column.dtype in ("double", "float", "halffloat")


def _storage(column: Column) -> pa.DataType:
    if column.dtype in ("string", "bool"):
        return arrow_type(column.dtype)
    return pa.float64() if _real(column) else pa.int64()


def _cast(values: pa.Array, column: Column) -> pa.Array:
    kind = arrow_type(column.dtype)
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return values.cast(width, safe=False).cast(kind)
    if pa.types.is_integer(kind) and not values.type.equals(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        low, high = int(info.min), min(int(info.max), 2**63 - 1)
        values = pc.max_element_wise(
            pc.min_element_wise(values, high, skip_nulls=False), low, skip_nulls=False
        )
    return values.cast(kind, safe=False)


def need(table: pa.Table, names: Sequence[str]) -> None:
    """Refuses a table that lacks a column."""
    for name in names:
        if name not in table.column_names:
            raise DataError(str(unknown(name, table.column_names)))
