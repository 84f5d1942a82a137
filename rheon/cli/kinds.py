"""What differs between a model of images and one of a table, as far as the command speaks of it."""

from typing import Any

from rheon.images import ImageDensity
from rheon.tables import TableDensity

Model = ImageDensity | TableDensity


def noun(model: Model) -> str:
    """What the model takes many of."""
    return "images" if isinstance(model, ImageDensity) else "rows"


def parameters(model: Model) -> int:
    """How many numbers it learns."""
    flows = [model.fitted] if isinstance(model, ImageDensity) else model.continuous.fitted
    return sum(p.numel() for flow in flows for p in flow.parameters() if p.requires_grad)


def architecture(model: Model) -> str:
    """The name of its architecture."""
    recipe = model.fitted.recipe
    return recipe.name if recipe else "a flow without a name"


def rows_of(info: dict[str, Any]) -> tuple[int, int]:
    """(rows to learn from, rows to choose the best weights by), from ``model.info["data"]``."""
    learn, choose = (value for name, value in info.items() if name.startswith(("training_", "validation_")))
    return learn, choose
