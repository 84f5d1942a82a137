"""Training: maximum likelihood as a generator of records."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheon.training.checkpoints import Checkpoints
    from rheon.training.identity import fingerprint
    from rheon.training.loop import train
    from rheon.training.processes import Alone, joined, ranks
    from rheon.training.randomness import step_generator
    from rheon.training.record import Record
    from rheon.training.settings import Settings
    from rheon.training.source import Encoded, Rows, Source
    from rheon.training.streamed import Blocks
    from rheon.training.tensorboard import TensorBoard
    from rheon.training.unit import Unit

_PLACES = {
    "Alone": "processes",
    "Blocks": "streamed",
    "Checkpoints": "checkpoints",
    "Encoded": "source",
    "Record": "record",
    "Rows": "source",
    "Settings": "settings",
    "Source": "source",
    "TensorBoard": "tensorboard",
    "Unit": "unit",
    "fingerprint": "identity",
    "joined": "processes",
    "ranks": "processes",
    "step_generator": "randomness",
    "train": "loop",
}

__all__ = [
    "Alone",
    "Blocks",
    "Checkpoints",
    "Encoded",
    "Record",
    "Rows",
    "Settings",
    "Source",
    "TensorBoard",
    "Unit",
    "fingerprint",
    "joined",
    "ranks",
    "step_generator",
    "train",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: the command's flags are the settings, and its help stays free of torch.
    if name in _PLACES:
        return getattr(importlib.import_module(f"rheon.training.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'rheon.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
