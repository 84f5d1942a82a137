"""Rows of real numbers alone, by the same names as :class:`~rheon.tables.mixed.Mixed` has for mixed ones."""

from collections.abc import Generator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rheon.flow import Flow
from rheon.tables.completing import Completing
from rheon.tables.continuous import Continuous
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.margins import Margins
from rheon.tables.mixed import DRAWS
from rheon.tables.streaming import StreamedTable
from rheon.training import Checkpoints, Record, Settings, Unit


class Numbers:
    """The density of rows in which nothing has a code, and of which nothing is given.

    Args:
        encoding: of the rows' columns.
        continuous: the density of their numbers.
    """

    def __init__(self, encoding: Encoding, continuous: Continuous) -> None:
        self.encoding, self.continuous = encoding, continuous

    @property
    def fitted(self) -> list[Flow]:
        """What was trained; a :class:`~rheon.RheonError` before ``training``."""
        return self.continuous.fitted

    @property
    def flows(self) -> list[Flow]:
        """The flows among it: all."""
        return self.continuous.fitted

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows there are to learn from, and how many to judge by."""
        return self.continuous.rows

    @property
    def unit(self) -> Unit:
        """What likelihoods are told in: mean log p(row) in nats."""
        return self.continuous.unit

    def training(
        self,
        rows: Encoded | StreamedTable,
        given: Tensor | None,
        settings: Settings,
        checkpoints: Checkpoints | None = None,
    ) -> Generator[Record, None, None]:
        """Learns from rows, and yields a record after each step."""
        y = rows.y if isinstance(rows, Encoded) else rows
        return self.continuous.training(y, given, settings, checkpoints)

    @property
    def margins(self) -> Margins:
        """The map of each column by itself to a nearly normal one."""
        assert self.continuous.preprocessing is not None
        return Margins.of(self.continuous.preprocessing)

    def density(
        self, codes: NDArray[np.int64], y: NDArray[np.float64], given: Tensor | None = None
    ) -> NDArray[np.float64]:
        """log p(y) of complete rows, (N,)."""
        return self.continuous.log_prob(y).numpy()

    def complete(
        self, codes: NDArray[np.int64], given: Tensor | None, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes with unknown ones drawn, and log q of these: of none."""
        return codes, np.zeros(len(codes))

    def seen(self, codes: NDArray[np.int64], given: Tensor | None) -> NDArray[np.float64]:
        """Features of what numbers are given besides numbers, (N, F): of nothing."""
        return np.empty((len(codes), 0))

    def log_prob(
        self, rows: Encoded, given: Tensor | None = None, draws: int = 1, seed: int = 0
    ) -> NDArray[np.float64]:
        """log p of each row, (N,), in nats per product of the columns' units.

        What is unknown in a row is integrated out.
        """
        open_ = np.flatnonzero(~rows.complete)
        scores = self.continuous.log_prob(np.where(rows.holes, 0.0, rows.y)).numpy()
        if len(open_):
            completing = Completing(self.encoding, self.margins, rows.take(open_), draws, seed)
            scores[open_] = completing.log_sum(lambda codes, y, of: self.continuous.log_prob(y).numpy())
        return scores

    def sample(
        self, n: int, given: Tensor | None, temperature: float, generator: torch.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """n draws of (c, y), c without a column; y beyond the columns' bounds is drawn again."""
        y = self.continuous.sample(n, given, temperature, generator).numpy()
        for _ in range(DRAWS):
            bad = np.flatnonzero(~(self.encoding.within(y) & ~np.isnan(y)).all(1))
            if not len(bad):
                break
            y[bad] = self.continuous.sample(len(bad), given, temperature, generator).numpy()
        return np.empty((n, 0), dtype=np.int64), y

    def round_trip_error(self, rows: Encoded, given: Tensor | None = None) -> float:
        """max |f⁻¹(f(z)) - z| over the rows and flows."""
        return self.continuous.round_trip_error(rows.y)

    def config(self) -> dict[str, Any]:
        """Plain facts for config.json, from which with :meth:`tensors` ``from_files`` builds it again."""
        return self.continuous.config()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return self.continuous.tensors()

    @classmethod
    def from_files(cls, encoding: Encoding, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What :meth:`config` and :meth:`tensors` gave, read by ``storage.read_model``."""
        return cls(encoding, Continuous.from_files(config, tensors))
