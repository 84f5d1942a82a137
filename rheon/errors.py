"""What rheon says when something is wrong with what it was given.

Every error a user can cause is a :class:`RheonError`: it names the argument, what came, what was expected,
and what to do. It is a ``ValueError``, so code that guards against bad values already catches it.
"""

import operator
from collections.abc import Iterable
from typing import SupportsIndex


class RheonError(ValueError):
    """Wrong input or wrong use."""


class DataError(RheonError):
    """The data cannot be read, or are not what a density can be learned from."""


class RankLostError(RheonError):
    """Another of the processes that train together has ended."""


class SaveError(RheonError):
    """What was learned could not be saved: the disk is full, read-only or gone."""


class DivergedError(RheonError):
    """Training came to values that are not finite, and could not be brought back."""


class ModelError(RheonError):
    """A model directory is damaged, foreign, hostile or from a later version."""


def whole(name: str, value: SupportsIndex, least: int) -> int:
    """``value`` as an int, at least ``least``, from Python's or NumPy's whole numbers; no bool, no float."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise RheonError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return number


def hint(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is none of those known.

    >>> hint("sead", ["seed", "steps"]), hint("x", ["seed", "steps"])
    ("did you mean 'seed'?", 'there are seed, steps')
    """
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
