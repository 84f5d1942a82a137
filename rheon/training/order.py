"""Which rows a step takes, as a pure function of (seed, step).

Each epoch e is one permutation of the N rows, drawn from (seed, e). Laid end to end they make an endless
stream, of which step s takes the positions [s B, (s + 1) B). Batches are always full and run across the
border of two epochs.
"""

from typing import Protocol

import torch
from torch import Tensor

from rheon.training.randomness import Stream, generator_for
from rheon.training.source import Source


class Steps(Protocol):
    """Which rows a step takes: a pure function of (seed, step), since a run that goes on asks anew."""

    batch_size: int

    def rows(self, step: int) -> Tensor:
        """Row numbers of step 0, 1, …: (B,), int64. To be read only."""


class Order:
    """The order of N ≥ 1 rows in batches of B = min(batch_size, N).

    It is the same on any device: permutations are drawn on the CPU and moved there once per epoch.

    >>> order = Order(5, batch_size=2, seed=0)
    >>> sorted(torch.cat([order.rows(step) for step in range(5)]).tolist())
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """

    def __init__(self, rows: int, batch_size: int, seed: int, device: torch.device | str = "cpu") -> None:
        self.batch_size = min(batch_size, rows)
        self._rows = rows
        self._seed = seed
        self._device = device
        self._epochs: dict[int, Tensor] = {}

    def rows(self, step: int) -> Tensor:
        """Row indices of step 0, 1, …: (B,), int64. To be read only: may be a view of the permutation."""
        epoch, start = divmod(step * self.batch_size, self._rows)
        rows = self._permutation(epoch)[start : start + self.batch_size]
        missing = self.batch_size - len(rows)
        return torch.cat((rows, self._permutation(epoch + 1)[:missing])) if missing else rows

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            # A step touches one epoch or two neighbours: no other is worth its memory.
            self._epochs = {e: p for e, p in self._epochs.items() if e == epoch - 1}
            drawn = torch.randperm(self._rows, generator=generator_for(self._seed, Stream.ORDER, epoch))
            self._epochs[epoch] = drawn.to(self._device)
        return self._epochs[epoch]


def order_of(source: Source, batch_size: int, seed: int, device: torch.device | str = "cpu") -> Steps:
    """The order that a source brings (``source.order``), else :class:`Order`, all rows permuted."""
    own = getattr(source, "order", None)
    return Order(len(source), batch_size, seed, device) if own is None else own(batch_size, seed, device)
