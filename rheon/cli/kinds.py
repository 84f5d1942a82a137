"""What differs between a model of images and one of a table, as far as the command speaks of it."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from rheon.images import ImageDensity
from rheon.tables import TableDensity

Model = ImageDensity | TableDensity


def noun(model: Model) -> str:
    """What the model takes many of."""
    return "images" if isinstance(model, ImageDensity) else "rows"


def parameters(model: Model) -> int:
    """How many numbers it learns."""
    return sum(p.numel() for p in _weights(model) if p.requires_grad)


def device(model: Model) -> str:
    """Where its weights are."""
    return str(_weights(model)[0].device)


def _weights(model: Model) -> list[nn.Parameter]:
    parts: Sequence[nn.Module] = [model.parts] if isinstance(model, ImageDensity) else model.parts
    return [p for part in parts for p in part.parameters()]


def architecture(model: Model) -> str:
    """The name of its architecture."""
    recipe = None if model.flow is None else model.flow.recipe
    if isinstance(model, TableDensity) and not model.plain:
        return "codes" if model.flow is None else f"codes and {recipe.name if recipe else 'a flow'}"
    return recipe.name if recipe else "a flow without a name"


def rows_of(info: dict[str, Any]) -> tuple[int, int]:
    """(rows to learn from, rows to choose the best weights by), from ``model.info["data"]``."""
    learn, choose = (value for name, value in info.items() if name.startswith(("training_", "validation_")))
    return learn, choose
