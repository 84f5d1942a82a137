"""What a likelihood is told in: bits per dimension, or nats per row in the data's own units."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log, prod
from typing import Self


@dataclass(frozen=True)
class Unit:
    """What a mean of -log p, in nats per row, is told as: ``scale * nats + shift``.

    Attributes:
        name: of the unit.
        figure: the name under which such a figure stands in a log and among a model's figures.
        likelihood: what the likelihood is, where it may be a bound: :func:`rheon.bounds.likelihood`.

    >>> unit = Unit.mean_log_prob(-2.0)  # of rows that were divided by e² before they were learned
    >>> unit(3.0), unit.figure
    (-5.0, 'log_prob')
    """

    name: str
    figure: str = "nats"
    scale: float = 1.0
    shift: float = 0.0
    lower_is_better: bool = True
    likelihood: str = ""

    @classmethod
    def bits_per_dim(cls, shape: Iterable[int], likelihood: str = "") -> Self:
        """-log p / (D ln 2), for images of this shape.

        >>> round(Unit.bits_per_dim((1, 8, 8))(177.4), 2)
        4.0
        """
        return cls("bits/dim", "bits_per_dim", 1 / (prod(shape) * log(2)), likelihood=likelihood)

    @classmethod
    def mean_log_prob(cls, log_det: float = 0.0) -> Self:
        """Mean log p in nats, where ``log_det`` leads from the units of training to those of the data."""
        return cls("nats", "log_prob", -1.0, log_det, lower_is_better=False)

    def __call__(self, nats: float) -> float:
        return self.scale * nats + self.shift


NATS = Unit("nats per row")
"""-log p as training has it."""
