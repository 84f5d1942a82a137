"""The schema of a table, guessed from its values.

A guess is made by counting: how many different values there are, how often each comes, whether all of them
lie on a grid. Nothing in it depends on the order of rows or columns.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rheon.errors import DataError
from rheon.tables.schema import Column, Schema
from rheon.tables.values import is_missing, number_values, text_values, type_name

MOST_LEVELS = 256
"""Numbers that take more different values than this are a line, not levels."""

MOST_CATEGORIES = 1024
"""A column of text with more different values than this is left out."""

INDEX = "__index_level_"
"""How pandas names an index that it stores as a column."""

_FEW = 50
_MOST_ATOMS = 16
_EXACT = 2**53
_ID = re.compile(r"(^|[^a-zA-Z])(?i:id|index|uuid|guid|key)$|[a-z]I[dD]$")


def guess(table: pa.Table) -> Schema:
    """What each column is.

    Raises:
        DataError: a column has an infinite value.

    >>> table = pa.table({"n": [1, 2, 2] * 10, "c": ["a", "b", "a"] * 10, "same": [7] * 30})
    >>> [column.kind for column in guess(table).columns]
    ['ordinal', 'categorical', 'constant']
    """
    return Schema(tuple(guess_column(n, c) for n, c in zip(table.column_names, table.columns, strict=True)))


def guess_column(name: str, column: pa.ChunkedArray, kind: str | None = None) -> Column:
    """What a column is; of ``kind``, if a person said so."""
    dtype = type_name(column.type)
    if dtype is None:
        return Column(name, "text", str(column.type)[:40], note=f"values of type {column.type}"[:60])
    left = Column(name, "text", dtype)
    if name.startswith(INDEX):
        return replace(left, kind="id", note="an index that pandas stored")
    if dtype == "string":
        values: Any = text_values(column)
    elif dtype == "bool":
        values = np.array(pc.drop_null(column).to_pylist(), dtype=bool)
    elif pa.types.is_uint64(column.type) and (pc.max(column).as_py() or 0) >= 2**63:
        return replace(left, kind="id", note="whole numbers too large to tell apart as float64")
    else:
        values = number_values(name, column)
        values = values[~is_missing(column)]
    n, all_rows = len(values), len(column)
    missing = 1 - n / all_rows if all_rows else 0.0
    if not n:
        return replace(left, kind="empty", missing=missing, note="no values")
    base = Column(name, "text", dtype, missing=missing)
    if dtype == "string":
        return _text(base, values, kind)
    if dtype == "bool":
        return _truth(base, values, kind)
    return _number(base, values, kind)


def _text(base: Column, values: list[str], kind: str | None) -> Column:
    different = sorted(set(values))
    n, d = len(values), len(different)
    if kind in ("id", "text", "constant"):
        return replace(base, kind=kind, note="as the schema says")
    if kind not in (None, "categorical", "ordinal"):
        raise DataError(f"column {base.name!r} is text; it cannot be {kind}: expected categorical or text")
    if d > MOST_CATEGORIES:
        note = f"{d:,} different values"
        if kind is not None:
            raise DataError(f"column {base.name!r} has {note}; at most {MOST_CATEGORIES:,} can be learned")
        return replace(base, kind="id" if d == n else "text", note=note)
    if max(map(len, different)) > 200:
        return replace(base, note="long texts")
    if kind is None:
        if d == 1 and not base.has_missing:
            return replace(base, kind="constant", note=f"constant ({different[0]!r:.40})")
        if d == n > 5:
            return replace(base, kind="id", note="all values are different")
        if d > 20 and n < 5 * d:
            return replace(base, note=f"{d:,} different values in {n:,} rows")
    return replace(base, kind=kind or "categorical", categories=tuple(different))


def _truth(base: Column, values: NDArray[np.bool_], kind: str | None) -> Column:
    if kind in ("id", "text", "constant"):
        return replace(base, kind=kind, note="as the schema says")
    if kind not in (None, "boolean", "categorical", "ordinal"):
        raise DataError(f"column {base.name!r} is true or false; it cannot be {kind}")
    if values.all() == values.any() and not base.has_missing and kind is None:
        return replace(base, kind="constant", note=f"constant ({bool(values[0])})")
    return replace(base, kind=kind or "boolean", categories=(False, True))


def _number(base: Column, values: NDArray[Any], kind: str | None) -> Column:
    if kind in ("id", "text", "constant"):
        return replace(base, kind=kind, note="as the schema says")
    different, counts = np.unique(values, return_counts=True)
    n, d = len(values), len(different)
    if d == 1 and not base.has_missing and kind is None:
        return replace(base, kind="constant", note=f"constant ({different[0]:.6g})")
    if kind in ("categorical", "ordinal", "boolean") or (kind is None and _are_levels(base, different, n)):
        if d > MOST_CATEGORIES:
            raise DataError(
                f"column {base.name!r} has {d:,} different values; at most {MOST_CATEGORIES:,} can be levels"
            )
        return replace(base, kind=kind or "ordinal", categories=tuple(_plain(v) for v in different))
    whole = values.dtype.kind == "i"
    spread = different[-1].item() - different[0].item()  # Python's numbers: NumPy's could overflow
    if whole and (spread >= 2**63 or spread // _grid(different)[0] > _EXACT):
        return replace(base, kind="id", note="whole numbers too large to tell apart as float64")
    if not np.isfinite(spread):
        raise DataError(
            f"column {base.name!r} reaches from {different[0]:g} to {different[-1]:g}: further than float64 "
            "can hold; rescale it or leave it out"
        )
    if kind is None and d == n > 20 and (_ID.search(base.name) or _counts_rows(values)):
        return replace(base, kind="id", note="numbers rows")
    step, origin, coarse = _grid(different)
    grid = coarse and (whole or _tied(values, d, step)) if kind is None else kind != "continuous"
    if grid and not step:
        raise DataError(f"column {base.name!r} lies on no grid; it cannot be {kind}: expected continuous")
    atoms = _grid_atoms(different, counts, step, origin) if grid else _atoms(different, counts)
    low, high = _bounds(different, atoms, grid)
    if not grid:
        named = "continuous"
    elif base.dtype.startswith(("date", "time", "duration")):
        named = "datetime"
    else:
        named = "integer" if float(step).is_integer() and float(origin).is_integer() else "stepped"
    return replace(base, kind=named, step=step, origin=origin, low=low, high=high, atoms=atoms)


def _tied(values: NDArray[np.float64], d: int, step: float) -> bool:
    """Whether numbers on a grid share its places, so that a density of them could rise there without end."""
    low, high = np.quantile(values, [0.05, 0.95])
    return d < 0.8 * len(values) and high - low <= 2000 * step


def _are_levels(base: Column, different: NDArray[Any], n: int) -> bool:
    """Whether numbers are few enough, each coming often enough, to have probabilities of their own."""
    d = len(different)
    whole = bool((different == np.rint(different)).all())
    often = 5 if whole else 20
    return d <= 2 or (d <= _FEW and n >= often * d) or (d <= MOST_LEVELS and n >= 100 * d)


def _counts_rows(values: NDArray[Any]) -> bool:
    return bool((np.diff(values) == 1).all())


def _grid(different: NDArray[Any]) -> tuple[float, float, bool]:
    """(δ, a value on the grid, whether it is coarse) where all values are whole steps apart; else δ = 0.

    A coarse grid has at most 100 times as many places as there are values, or is that of whole numbers.
    """
    low, d = different[0], len(different)
    if different.dtype.kind == "i":
        return int(np.gcd.reduce(different - low)) or 1, int(low), True
    fine = _decimal_grid(different)
    if fine[0] and (float(fine[0]).is_integer() or different[-1] - low <= 100 * d * fine[0]):
        return *fine, True
    gaps = np.diff(different)
    for gap in np.quantile(gaps, [0.0, 0.05, 0.5]) if d > 2 else ():
        # Decimals that were shifted or rescaled, and rounded since: a straight line through their places.
        if not different[-1] - low <= 100 * d * gap:
            continue
        place = np.rint((different - low) / gap)
        step, origin = np.polynomial.polynomial.polyfit(place, different, 1)[::-1]
        if np.abs(origin + step * place - different).max() < 1e-3 * step:
            return float(step), float(origin), True
    return *fine, False


def _decimal_grid(different: NDArray[np.float64]) -> tuple[float, float]:
    """(δ, the least value), of decimal numbers with at most nine places; δ = 0 for others."""
    highest = float(np.abs(different).max())
    short = different.astype(np.float32) if highest < 1e38 else different
    single = highest < 1e38 and np.array_equal(short, different)
    for decimals in range(10):
        scale = 10.0**decimals
        if highest * scale >= 2**49:
            break
        whole = np.rint(different * scale)
        nearest = whole / scale
        exact = np.abs(nearest - different).max() <= 4e-16 * highest
        if exact or (single and np.array_equal(nearest.astype(np.float32), short)):
            step = int(np.gcd.reduce(np.diff(whole).astype(np.int64))) if len(whole) > 1 else 1
            return step / 10**decimals, float(whole[0]) / 10**decimals
    return 0.0, float(different[0])


def _atoms(different: NDArray[Any], counts: NDArray[Any]) -> tuple[float, ...]:
    """Values that come in 2 % of rows, five times at least, and five times as often as their neighbours."""
    total = np.concatenate(([0], np.cumsum(counts)))
    place = np.arange(len(counts))
    first, last = np.maximum(place - 5, 0), np.minimum(place + 6, len(counts))
    near = (total[last] - total[first] - counts) / np.maximum(last - first - 1, 1)
    often = (counts >= max(5, 0.02 * counts.sum())) & (counts >= 5 * near)
    return _most_frequent(different, counts, often)


def _grid_atoms(
    different: NDArray[Any], counts: NDArray[Any], step: float, origin: float
) -> tuple[float, ...]:
    """Values that come in 2 % of rows, and five times as often as those within five steps."""
    place = np.rint((different - origin) / step)
    total = np.concatenate(([0], np.cumsum(counts)))
    near = (
        total[np.searchsorted(place, place + 5, "right")] - total[np.searchsorted(place, place - 5, "left")]
    )
    often = (counts >= max(10, 0.02 * counts.sum())) & (counts >= 5 * ((near - counts) / 10 + 1))
    return _most_frequent(different, counts, often)


def _most_frequent(
    different: NDArray[Any], counts: NDArray[Any], often: NDArray[np.bool_]
) -> tuple[float, ...]:
    chosen = np.flatnonzero(often)
    chosen = chosen[np.argsort(-counts[chosen], kind="stable")][:_MOST_ATOMS]
    return tuple(_plain(v) for v in np.sort(different[chosen]))


def _bounds(
    different: NDArray[Any], atoms: tuple[float, ...], grid: bool
) -> tuple[float | None, float | None]:
    """What samples stay within: on a grid what was seen, else 0, 1 or an end at which values pile up."""
    low, high = _plain(different[0]), _plain(different[-1])
    if grid:
        return low, high
    at_low = low if low in atoms else (0.0 if low >= 0 else None)
    at_high = high if high in atoms else (1.0 if low >= 0 and 0.5 < high <= 1 else None)
    return at_low, at_high


def _plain(value: Any) -> Any:
    return value.item()
