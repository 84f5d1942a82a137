"""Flags from the fields of a dataclass: one for each, told as the class's docstring tells it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import cleandoc
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

from cyclopts import Parameter

from rheon.errors import RheonError


def flags(cls: Any, check: Any, but: Collection[str] = ()) -> Any:
    """A ``TypedDict`` with a flag for each plain field of ``cls``; it holds those that were given.

    Args:
        cls: a dataclass, whose docstring has an ``Args`` section.
        check: what takes a mapping of one value by its name, and raises :class:`~rheon.RheonError` where it
            is not allowed.
        but: fields that get no flag.
    """
    help_of, hints = told(cls), get_type_hints(cls)
    made = {
        name: _flag(name, hints[name], help_of[name], check) for name in plain_fields(cls) if name not in but
    }
    return TypedDict(cls.__name__, made, total=False)  # type: ignore[operator]


def given(cls: Any, check: Any, group: str | None, but: Collection[str] = ()) -> Any:
    """The type of a parameter that takes those flags by their bare names, None where none was given."""
    return Annotated[flags(cls, check, but) | None, Parameter(name="*", group=group)]


def plain_fields(cls: Any) -> Iterator[str]:
    """Names of the fields that hold no table of their own."""
    hints = get_type_hints(cls)
    return (f.name for f in fields(cls) if not (is_dataclass(hints[f.name]) or _is_table(hints[f.name])))


def told(cls: Any) -> dict[str, str]:
    """What the ``Args`` section of a class's docstring says of each field, on one line.

    >>> from rheon.training import Settings
    >>> told(Settings)["warmup"]
    'Share of the budget in which the rate rises from zero.'
    """
    section = re.search(r"^Args:\n((?: {4}.*\n|\n)*)", cleandoc(cls.__doc__) + "\n", re.MULTILINE)
    items = re.split(r"^ {4}(\w+): ", section[1] if section else "", flags=re.MULTILINE)[1:]
    texts = (" ".join(re.sub(r"(:\w+:)?`+~?", "", text).split()) for text in items[1::2])
    return {
        name: f"{text[:1].upper()}{text[1:].rstrip('.')}."
        for name, text in zip(items[::2], texts, strict=True)
    }


def _flag(name: str, hint: Any, text: str, check: Any) -> Any:
    def read(kind: Any, tokens: Sequence[Any]) -> Any:
        values = [token.value if _is_text(hint) else _value(token.value) for token in tokens]
        return values[0] if len(values) == 1 else tuple(values)

    def allowed(kind: Any, value: Any) -> None:
        try:
            check({name: value})
        except RheonError as error:
            raise ValueError(f"{error}.".removeprefix("settings: ")) from None

    reading: dict[str, Any] = {} if hint is bool else {"converter": read, "negative": ()}
    return Annotated[hint, Parameter(help=text, validator=allowed, show_default=False, **reading)]


def _value(word: str) -> Any:
    """What a word stands for in TOML: a number, or else text."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word


def _is_text(hint: Any) -> bool:
    return hint is str or str in get_args(hint)


def _is_table(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is Mapping or hint is Mapping
