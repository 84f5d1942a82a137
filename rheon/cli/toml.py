"""A run as a TOML file: read with the standard library, written here, with what each key means beside it."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from rheon.cli.flags import plain_fields, told
from rheon.cli.run import Run
from rheon.errors import RheonError
from rheon.training.settings import Settings


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file, in which every key is one of a run.

    Raises:
        RheonError: it cannot be read, is no TOML, or has a key or value that a run has not.
    """
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise RheonError(f"--config {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RheonError(f"--config {path} is not TOML: {error}") from error
    try:
        Run.from_dict({"data": "any", **values})
    except RheonError as error:
        raise RheonError(f"--config {path}: {error}") from error
    return values


def as_toml(run: Run, settings: Settings) -> str:
    """The run with all of its settings, as a file that :func:`read_toml` reads.

    >>> print(as_toml(Run(data="digits"), Settings(steps=10)))
    # Built-in data by name, or a path.
    data = "digits"
    ...
    [training]
    # Budget in optimiser steps...
    steps = 10
    ...
    """
    lines = list(_lines(run, list(plain_fields(Run))))
    for field in fields(Run):
        table = getattr(run, field.name)
        if is_dataclass(table) or isinstance(table, Mapping):
            table = settings if field.name == "training" else table
            lines += [f"[{field.name}]", *_lines(table, list(plain_fields(type(table))))]
    return "\n".join(lines)


def _lines(table: Any, names: list[str]) -> Iterator[str]:
    help_of = told(type(table))
    unset = {field.name for field in fields(table) if field.default is None}
    for name in names:
        value = getattr(table, name)
        yield from wrap(help_of[name], 100, initial_indent="# ", subsequent_indent="# ")
        yield f"# {name} =" if value is None and name in unset else f"{name} = {_written(value)}"
        yield ""


def _written(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)  # numbers and truth values are written alike
