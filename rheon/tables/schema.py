"""What the columns of a table are: the schema, guessed from data, shown, edited, and saved in a model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Self

from rheon.errors import RheonError

LEVELS = ("categorical", "ordinal", "boolean")
"""Kinds whose values are one of few, each with a probability."""

NUMBERS = ("continuous", "stepped", "integer", "datetime")
"""Kinds whose values are numbers on a line: their figure is a density per unit."""

LEFT_OUT = ("constant", "id", "text", "empty")
"""Kinds that no density is learned of."""

KINDS = (*LEVELS, *NUMBERS, *LEFT_OUT)

Value = str | int | float | bool


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: its name.
        kind: ``"continuous"``: real numbers; ``"stepped"``: numbers on a grid such as 0.01, ``"integer"``
            and ``"datetime"`` likewise: each step has a probability, told per unit; ``"ordinal"``,
            ``"categorical"``, ``"boolean"``: one of ``categories``; ``"constant"``, ``"id"``, ``"text"``,
            ``"empty"``: left out.
        dtype: how Arrow calls the type of its values, such as ``"double"``, ``"int64"``, ``"string"``.
        categories: its values, of the kinds that have few.
        step: δ, the distance of neighbouring values on a grid; 0: none. Of a continuous column only samples
            are rounded to it.
        origin: a value on the grid, from which steps are counted.
        low: the least value that samples may have, or None.
        high: the greatest one, or None.
        atoms: single values that are so frequent that each has a probability of its own.
        missing: the share of rows without a value.
        note: why it is left out.
        guessed: whether data said all this, and not a person.

    Raises:
        RheonError: what is said does not go together.

    >>> Column("sex", "categorical", "string", categories=("female", "male")).modelled
    True
    """

    name: str
    kind: str
    dtype: str = "double"
    categories: tuple[Value, ...] = ()
    step: float = 0.0
    origin: float = 0
    low: float | None = None
    high: float | None = None
    atoms: tuple[float, ...] = ()
    missing: float = 0.0
    note: str = ""
    guessed: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.dtype, str):
            raise RheonError(f"a column's name and dtype must be text, got {self.name!r}, {self.dtype!r}.")
        if self.kind not in KINDS:
            raise self._fault(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for name in ("step", "origin", "low", "high", "missing"):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
            ):
                raise self._fault(f"{name} must be a finite number, got {value!r}")
        for name in ("categories", "atoms"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not all(isinstance(v, str | int | float) for v in values):
                raise self._fault(f"{name} must be a list of texts or numbers, got {values!r:.80}")
            if len({(type(v) is bool, v) for v in values}) < len(values):
                raise self._fault(f"{name} must be different values, got {values!r:.80}")
        if len({type(value) if isinstance(value, str | bool) else float for value in self.categories}) > 1:
            raise self._fault("categories must be all texts, all numbers, or false and true")
        if not all(isinstance(a, int | float) and math.isfinite(a) for a in self.atoms):
            raise self._fault(f"atoms must be numbers, got {self.atoms!r:.80}")
        if self.step < 0 or not 0 <= self.missing <= 1:
            raise self._fault("step must be at least 0, and missing a share from 0 to 1")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self._fault(f"low {self.low:g} is above high {self.high:g}")
        if self.kind in LEVELS and not self.categories:
            raise self._fault(f"kind {self.kind} needs categories")
        if self.on_grid and not self.step > 0:
            raise self._fault(f"kind {self.kind} needs a step above 0")

    @property
    def modelled(self) -> bool:
        """Whether a density is learned of it."""
        return self.kind not in LEFT_OUT

    @property
    def on_grid(self) -> bool:
        """Whether its values are counted in steps, each with a probability."""
        return self.kind in ("stepped", "integer", "datetime")

    @property
    def has_missing(self) -> bool:
        """Whether a missing value is a level of its own, because training had some."""
        return self.missing > 0

    def _fault(self, what: str) -> RheonError:
        return RheonError(f"schema, column {self.name!r}: {what}.")

    @property
    def range(self) -> str:
        """Its values in a few words.

        >>> Column("sex", "categorical", "string", categories=("female", "male")).range
        'female, male'
        """
        if self.categories:
            shown = ", ".join(map(str, self.categories[:4]))
            return shown if len(self.categories) <= 4 else f"{len(self.categories)} values: {shown}, …"
        if not self.modelled:
            return f"left out: {self.note}" if self.note else "left out"
        ends = [f"{end:g}" if end is not None else "" for end in (self.low, self.high)]
        if self.dtype.startswith(("date", "timestamp", "time", "duration")):
            ends = ["", ""]
        parts = [f"{ends[0]} … {ends[1]}".strip()] if any(ends) else []
        if (self.step and self.kind != "integer") or self.step > 1:
            parts.append(f"steps of {self.step:g}")
        if self.atoms:
            parts.append(f"often {', '.join(f'{atom:g}' for atom in self.atoms[:4])}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order.

    >>> schema = Schema(
    ...     (Column("height", "continuous", low=0.0), Column("smokes", "boolean", "bool", (False, True)))
    ... )
    >>> print(*schema.lines(), sep="\\n")
      height  continuous  0 …
      smokes  boolean     False, True
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise RheonError(f"schema: two columns are named {name!r}.")

    @property
    def modelled(self) -> tuple[Column, ...]:
        """Those that a density is learned of."""
        return tuple(column for column in self.columns if column.modelled)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the modelled ones."""
        return tuple(column.name for column in self.modelled)

    @property
    def plain(self) -> bool:
        """Whether all that is modelled is real numbers without atoms and holes: a density, nothing else."""
        return all(c.kind == "continuous" and not c.atoms and not c.has_missing for c in self.modelled)

    @property
    def bounded(self) -> bool:
        """Whether log p involves dequantisation noise, and so is a bound."""
        return any(column.on_grid for column in self.modelled)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise unknown(name, [column.name for column in self.columns])

    def pick(self, names: Sequence[str]) -> Self:
        """These columns, in this order."""
        return replace(self, columns=tuple(self[name] for name in names))

    def lines(self) -> Iterator[str]:
        """The schema as a table of text, a line a column."""
        rows = [
            (c.name, c.kind, c.range, f"{c.missing:.1%} missing" if c.missing else "") for c in self.columns
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        widths = [min(width, 40) for width in widths]
        for name, kind, values, missing in rows:
            text = "  ".join(filter(None, [values, missing]))
            yield f"  {name[:40]:<{widths[0]}}  {kind:<{widths[1]}}  {text}".rstrip()

    def as_list(self) -> list[dict[str, Any]]:
        """Plain values, for JSON and TOML; :meth:`from_list` takes them back."""
        return [_plain(column) for column in self.columns]

    @classmethod
    def from_list(cls, columns: Any) -> Self:
        """The schema that :meth:`as_list` gave.

        Raises:
            RheonError: it is none.
        """
        if not isinstance(columns, list):
            raise RheonError("schema: expected a list of columns.")
        return cls(tuple(_column(entry) for entry in columns))


def unknown(name: str, known: Sequence[str]) -> RheonError:
    """What to say where a name stands for no column."""
    close = get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known[:12]))}"
    return RheonError(f"there is no column {name!r}; {advice}")


_DEFAULTS = {f.name: f.default for f in fields(Column)}


def _plain(column: Column) -> dict[str, Any]:
    entries = {f.name: getattr(column, f.name) for f in fields(Column)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in entries.items()
        if name in ("name", "kind", "dtype") or value != _DEFAULTS[name]
    }


def _column(entry: Any) -> Column:
    if not isinstance(entry, Mapping) or not {"name", "kind"} <= set(entry):
        raise RheonError("schema: each column needs a name and a kind.")
    for name in entry:
        if name not in _DEFAULTS:
            close = get_close_matches(str(name), _DEFAULTS, n=1)
            raise RheonError(
                f"schema, column {entry['name']!r}: {name!r} is no property"
                + (f"; did you mean {close[0]!r}?" if close else ".")
            )
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    try:
        return Column(**values)
    except TypeError as error:
        raise RheonError(f"schema, column {entry['name']!r}: {error}.") from None
