"""Kinds of numbers on the command line. What is not of its kind is refused, never rounded."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number


def _whole(kind: Any, tokens: Sequence[Any]) -> int:
    try:
        return int(tokens[0].value)
    except ValueError:  # cyclopts alone would round 2.5 to 2
        raise ValueError(f'"{tokens[0].value}" is not a whole number.') from None


NotNegative = Annotated[float, Parameter(validator=Number(gte=0))]
Count = Annotated[int, Parameter(converter=_whole, validator=Number(gte=1))]
Share = Annotated[float, Parameter(validator=Number(gt=0, lte=1))]
Seed = Annotated[int, Parameter(converter=_whole, validator=Number(gte=0))]
