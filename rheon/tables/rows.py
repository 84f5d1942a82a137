"""The density of rows of the kind that a table calls for: real numbers alone, or mixed columns."""

from typing import Any

from torch import Tensor

from rheon.errors import ModelError, RheonError
from rheon.tables.continuous import Continuous
from rheon.tables.flows import Architecture
from rheon.tables.mixed import Mixed
from rheon.tables.numbers import Numbers
from rheon.tables.roles import Roles

RowDensity = Numbers | Mixed


def new_density(roles: Roles, architecture: str | Architecture) -> RowDensity:
    """An untrained one.

    Raises:
        RheonError: the architecture is not for such columns.
    """
    if roles.plain:
        return Numbers(roles.targets, Continuous(architecture))
    if not isinstance(architecture, str):
        raise RheonError(
            "an architecture of your own is for tables of real numbers alone; this one has other "
            "columns, missing values or columns that are given: take one by name"
        )
    return Mixed(roles.targets, architecture)


def density_of(roles: Roles, config: dict[str, Any], tensors: dict[str, Tensor]) -> RowDensity:
    """The one that a model directory describes.

    Raises:
        ModelError: it lacks something, or is not of these columns.
    """
    if "heads_width" in config:
        mixed = Mixed.from_files(roles.targets, config, tensors)
        if mixed.given != (roles.features.width if roles.features else 0):
            raise ModelError("the features of what is given are not as many as the flow takes.")
        return mixed
    numbers = Numbers.from_files(roles.targets, config, tensors)
    if not roles.plain or numbers.continuous.features != len(roles.columns):
        raise ModelError("config.json names other columns than those that the flow takes.")
    return numbers
