"""A source of rows that are too many for memory."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from rheon.errors import RheonError
from rheon.training.source import Encoded
from rheon.training.windows import Windows


class Blocks:
    """Rows that are read in blocks, in an order of their own; only the blocks in use are in memory.

    At most two windows of the order are held at a time: the one that is used and, at its end, the next.

    Args:
        lengths: rows of each block.
        read: is given numbers of blocks, ascending, and gives the rows of each, in turn, on the CPU. Always
            the same rows.
        without: rows, numbered through all blocks, that are not to be learned, ascending.
        width: blocks whose rows are shuffled together.
        columns: their names, where x is a table.

    Raises:
        RheonError: there are no blocks, or (when read) a block has another number of rows.

    >>> data = torch.arange(10.0).view(10, 1)
    >>> source = Blocks([4, 4, 2], lambda blocks: ((data[4 * k : 4 * k + 4], None) for k in blocks))
    >>> source.batch(torch.tensor([9, 0]), torch.Generator())[0].flatten().tolist()
    [9.0, 0.0]
    >>> len(source.order(batch_size=3, seed=0).rows(0))
    3
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        read: Callable[[Sequence[int]], Iterable[Encoded]],
        without: Sequence[int] | np.ndarray = (),
        width: int = 16,
        columns: Sequence[str] | None = None,
    ) -> None:
        if not len(lengths):
            raise RheonError("a source of blocks needs at least one block")
        self._lengths = torch.as_tensor(np.asarray(lengths, np.int64))
        self._starts = self._lengths.cumsum(0) - self._lengths
        self.columns = columns
        self._read = read
        self._without = without
        self._width = width
        self._order: Windows | None = None
        self._slots: list[int | None] = []
        """The block that lies in each slot of memory, of as many rows as the longest has."""
        self._places = torch.full_like(self._lengths, -1)
        """Where in memory the rows of each block begin; -1: nowhere."""
        self._x: Tensor | None = None
        self._context: Tensor | None = None

    def __len__(self) -> int:
        return int(self._lengths.sum()) - len(self._without)

    def order(self, batch_size: int, seed: int, device: torch.device | str = "cpu") -> Windows:
        """The order in which a run takes the rows."""
        self._order = Windows(self._lengths.numpy(), self._without, self._width, batch_size, seed, device)
        return self._order

    def batch(self, rows: Tensor, generator: torch.Generator) -> Encoded:
        """Copies of the rows with these numbers; blocks that are not in memory are read first."""
        device, rows = rows.device, rows.cpu()
        block = torch.bucketize(rows, self._starts, right=True) - 1
        places = self._places[block]
        if bool((places < 0).any()):
            self._load(set(block.tolist()))
            places = self._places[block]
        places = places + rows - self._starts[block]
        assert self._x is not None
        x = self._x.index_select(0, places).to(device)
        return x, None if self._context is None else self._context.index_select(0, places).to(device)

    def _load(self, needed: set[int]) -> None:
        """Reads the blocks needed and those that the order will need next, in the place of all others."""
        held = needed | set(self._order.blocks if self._order else ())
        for slot, block in enumerate(self._slots):
            if block is not None and block not in held:
                self._places[block], self._slots[slot] = -1, None
        missing = sorted(held.difference(self._slots))
        # Room for two windows at once: making it larger later would hold both the old and the new.
        most = max(min(2 * self._width, len(self._lengths)), len(held))
        self._slots += [None] * (most - len(self._slots))
        free = [slot for slot, block in enumerate(self._slots) if block is None][: len(missing)]
        for block, slot, (x, context) in zip(missing, free, self._read(missing), strict=True):
            if len(x) != self._lengths[block]:
                raise RheonError(
                    f"block {block} has {len(x)} rows and had {int(self._lengths[block])}: its file has "
                    "changed meanwhile"
                )
            size = int(self._lengths.max())
            start = slot * size
            self._x = _put(self._x, x, start, size * len(self._slots))
            if context is not None:
                self._context = _put(self._context, context, start, size * len(self._slots))
            self._slots[slot], self._places[block] = block, start


def _put(memory: Tensor | None, rows: Tensor, start: int, size: int) -> Tensor:
    """The memory with the rows in their place; made, or made larger, where it is too small."""
    if memory is None or len(memory) < size:
        larger = rows.new_empty(size, *rows.shape[1:])
        if memory is not None:
            larger[: len(memory)] = memory
        memory = larger
    memory[start : start + len(rows)] = rows
    return memory
