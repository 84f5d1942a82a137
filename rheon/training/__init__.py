"""Training: maximum likelihood as a generator of records."""

from rheon.training.checkpoints import Checkpoints
from rheon.training.identity import fingerprint
from rheon.training.loop import train
from rheon.training.randomness import step_generator
from rheon.training.ranks import Alone, joined, ranks
from rheon.training.record import Record
from rheon.training.settings import Settings
from rheon.training.source import Rows, Source

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
