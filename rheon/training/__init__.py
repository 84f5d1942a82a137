"""Training: maximum likelihood as a generator of records."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheon.training.checkpoints import Checkpoints
    from rheon.training.identity import fingerprint
    from rheon.training.loop import train
    from rheon.training.randomness import step_generator
    from rheon.training.ranks import Alone, joined, ranks
    from rheon.training.record import Record
    from rheon.training.settings import Settings
    from rheon.training.source import Rows, Source

_PLACES = {
    "Alone": "ranks",
    "Checkpoints": "checkpoints",
    "Record": "record",
    "Rows": "source",
    "Settings": "settings",
    "Source": "source",
    "fingerprint": "identity",
    "joined": "ranks",
    "ranks": "ranks",
    "step_generator": "randomness",
    "train": "loop",
}

__all__ = [
    "Alone",
    "Checkpoints",
    "Record",
    "Rows",
    "Settings",
    "Source",
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
