"""A schema as text that a person edits (TOML), and back.

    [[column]]
    name = "age"
    kind = "integer"

What is said counts; what is not said is found from the data, so that a name and a kind are enough. A column
that is not there at all is guessed.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from rheon.errors import DataError, RheonError
from rheon.tables.guessing import guess_column
from rheon.tables.schema import KINDS, LEVELS, Column, Schema, unknown

_HEAD = f"""\
# The columns of a table, for: rheon fit DATA --schema THIS_FILE
# kind is one of {", ".join(KINDS)};
# the last four are left out. Where a kind is changed, what does not suit it is found anew from the data.
"""
_OF_LEVELS = {"categories"}
_OF_NUMBERS = {"step", "origin", "low", "high", "atoms"}
_FOUND = {"dtype", "missing", "note", "guessed"}


def to_toml(schema: Schema) -> str:
    """The schema as TOML.

    >>> print(to_toml(Schema((Column("n", "ordinal", "int64", (1, 2)),))).split("\\n\\n")[1])
    [[column]]
    name = "n"
    kind = "ordinal"
    dtype = "int64"
    categories = [1, 2]
    """
    columns = (
        "[[column]]\n"
        + "".join(f"{name} = {_value(value)}\n" for name, value in entries.items() if value != "")
        for entries in schema.as_list()
    )
    return "\n".join((_HEAD, *columns))


def read_toml(path: Path) -> list[dict[str, Any]]:
    """What a file says of columns, for :func:`completed`.

    Raises:
        RheonError: there is no such file, or it is not such TOML.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RheonError(f"the schema {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RheonError(f"the schema {path} is not TOML: {error}") from error
    columns = found.get("column")
    if (
        set(found) != {"column"}
        or not isinstance(columns, list)
        or not all(isinstance(c, dict) for c in columns)
    ):
        raise RheonError(f"the schema {path} must hold tables [[column]] and nothing else")
    return columns


def completed(said: list[dict[str, Any]], table: pa.Table) -> Schema:
    """The schema of a table, of which a part is said.

    Raises:
        RheonError: a column is named that is not there, twice, or without a kind that suits it.

    >>> table = pa.table({"a": [1, 2] * 9, "b": [0.5, 0.25] * 9})
    >>> [c.kind for c in completed([{"name": "a", "kind": "categorical"}], table).columns]
    ['categorical', 'ordinal']
    """
    by_name: dict[str, Mapping[str, Any]] = {}
    for entry in said:
        name = entry.get("name")
        if not isinstance(name, str):
            raise RheonError("schema: each column needs a name.")
        if name in by_name:
            raise RheonError(f"schema: column {name!r} is described twice.")
        if name not in table.column_names:
            raise DataError(f"schema: {unknown(name, table.column_names)}")
        by_name[name] = entry
    return Schema(
        tuple(
            _completed(by_name[name], column) if name in by_name else guess_column(name, column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        )
    )


def _completed(entry: Mapping[str, Any], column: pa.ChunkedArray) -> Column:
    kind = entry.get("kind")
    if kind is not None and kind not in KINDS:
        raise RheonError(
            f"schema, column {entry['name']!r}: kind must be one of {', '.join(KINDS)}, got {kind!r}."
        )
    found = guess_column(
        entry["name"], column, kind if kind not in ("constant", "id", "text", "empty") else None
    )
    if kind in ("constant", "id", "text", "empty"):
        found = replace(found, kind=kind, note=found.note or "as the schema says", categories=(), atoms=())
    ours = _OF_LEVELS if found.kind in LEVELS else _OF_NUMBERS if found.modelled else set()
    others = (_OF_LEVELS | _OF_NUMBERS) - ours
    kept = {name: value for name, value in entry.items() if name not in others | _FOUND}
    (known,) = Schema((found,)).as_list()
    (full,) = Schema.from_list([{**known, **kept, "kind": found.kind, "guessed": False}]).columns
    return full


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower() if isinstance(value, bool) else repr(value)
