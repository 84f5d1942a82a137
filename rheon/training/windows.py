"""The order of rows that are read in blocks, as a pure function of (seed, step).

A table larger than memory is read in blocks of consecutive rows, and a row cannot be had alone. Each epoch
therefore permutes the blocks, drawn from (seed, epoch), takes them some at a time, and permutes the rows of
such a window, drawn from (seed, epoch, window):

    epoch e    blocks  π_e(1) … π_e(w) | π_e(w + 1) … π_e(2w) | …       each row once
    window     all rows of its w blocks, permuted

Laid end to end the windows make an endless stream, of which step s takes the positions [s B, (s + 1) B).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rheon.training.randomness import Stream, generator_for


class Windows:
    """The order of N rows in blocks, in batches of B = min(batch_size, N).

    Rows are numbered through all blocks: those of block k are starts[k] … starts[k] + lengths[k] - 1.

    Args:
        lengths: rows of each block.
        without: rows that are left out, ascending.
        width: w, blocks of a window.
        batch_size: rows of a step.
        seed: decides both permutations.
        device: where :meth:`rows` are wanted.

    Attributes:
        blocks: those that the latest step belongs to: what a reader had best hold.

    >>> order = Windows([3, 2], without=[1], width=1, batch_size=2, seed=0)
    >>> sorted(torch.cat([order.rows(step) for step in range(2)]).tolist())
    [0, 2, 3, 4]
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        without: Sequence[int] | np.ndarray,
        width: int,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        ends = np.cumsum(lengths)
        self._edges = np.concatenate(([0], ends))
        self._without = np.asarray(without, np.int64)
        self._kept = np.diff(self._edges - np.searchsorted(self._without, self._edges))
        self._rows = int(self._kept.sum())
        self._width, self._seed, self._device = width, seed, device
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._windows: dict[tuple[int, int], Tensor] = {}
        self.batch_size = min(batch_size, self._rows)

    @property
    def blocks(self) -> list[int]:
        return sorted({int(block) for key in self._windows for block in self._blocks_of(*key)})

    def rows(self, step: int) -> Tensor:
        """Row numbers of step 0, 1, …: (B,), int64. To be read only."""
        place, missing = step * self.batch_size, self.batch_size
        used: dict[tuple[int, int], Tensor] = {}
        parts = []
        while missing:
            epoch, within = divmod(place, self._rows)
            ends = self._epoch(epoch)[1]
            window = int(np.searchsorted(ends, within, side="right"))
            rows = used[epoch, window] = self._window(epoch, window)
            parts.append(rows[within - int(ends[window]) + len(rows) :][:missing])
            place, missing = place + len(parts[-1]), missing - len(parts[-1])
        self._windows = used
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The blocks in the order of this epoch, and the position in it at which each window ends."""
        if epoch not in self._epochs:
            drawn = torch.randperm(
                len(self._kept), generator=generator_for(self._seed, Stream.ORDER, epoch)
            ).numpy()
            ends = np.cumsum(self._kept[drawn])
            last = np.minimum(np.arange(self._width, len(drawn) + self._width, self._width), len(drawn)) - 1
            self._epochs = {e: p for e, p in self._epochs.items() if e == epoch - 1}
            self._epochs[epoch] = drawn, ends[last]
        return self._epochs[epoch]

    def _window(self, epoch: int, window: int) -> Tensor:
        if (epoch, window) in self._windows:
            return self._windows[epoch, window]
        rows = np.concatenate([self._rows_of(block) for block in self._blocks_of(epoch, window)])
        index = epoch * len(self._kept) + window
        drawn = torch.randperm(len(rows), generator=generator_for(self._seed, Stream.WINDOW, index))
        return torch.from_numpy(rows)[drawn].to(self._device)

    def _blocks_of(self, epoch: int, window: int) -> np.ndarray:
        return self._epoch(epoch)[0][window * self._width : (window + 1) * self._width]

    def _rows_of(self, block: int) -> np.ndarray:
        start, end = self._edges[block], self._edges[block + 1]
        first, last = np.searchsorted(self._without, (start, end))
        return np.delete(np.arange(start, end), self._without[first:last] - start)
