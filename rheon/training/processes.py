"""Several processes that train one flow: each takes its part of every batch, and all take the same steps.

With r processes the loss of a batch of B rows, and its gradient, are sums over the parts B_1 … B_r:

    L(θ) = Σ_k L_k(θ),    L_k(θ) = -(1 / B) Σ_{b in B_k} log p_θ(x_b)

θ is one vector, so a step needs one sum over the processes, of (∇L_k, L_k), after which each does the same.
The order of the rows, their noise and the batch are those of one process. What hangs on a clock is decided by
the first process, which alone writes.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed

from rheon.errors import RankLostError


class Alone:
    """One process, for which there is nothing to share.

    Attributes:
        rank: number of this process, from 0 on.
        count: number of processes.

    >>> from rheon.training import ranks
    >>> ranks().rank, ranks().count  # where torch.distributed was not initialised
    (0, 1)
    """

    rank, count = 0, 1

    def part(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch; of fewer rows than processes, some have none."""
        return rows

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of the processes' tensors, in place."""
        return tensor

    def first(self, number: float) -> float:
        """The first process's number."""
        return number

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers."""
        return number

    def first_text(self, text: str) -> str:
        """The first process's text."""
        return text

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Gives each tensor the first process's values."""


class Together(Alone):
    """All processes of ``torch.distributed``'s default group."""

    def __init__(self) -> None:
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def part(self, rows: Tensor) -> Tensor:
        return rows.tensor_split(self.count)[self.rank]

    def sum(self, tensor: Tensor) -> Tensor:
        with _company():
            distributed.all_reduce(tensor)
        return tensor

    def first(self, number: float) -> float:
        told = torch.tensor(number, dtype=torch.float64, device="cpu")
        with _company():
            distributed.broadcast(told, 0)
        return told.item()

    def largest(self, number: int) -> int:
        told = torch.tensor(number, device="cpu")
        with _company():
            distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return int(told)

    def first_text(self, text: str) -> str:
        data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        size = int(self.first(len(data)))
        told = data if self.rank == 0 else torch.empty(size, dtype=torch.uint8, device="cpu")
        with _company():
            distributed.broadcast(told, 0)
        return bytes(told.tolist()).decode()

    def spread(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            told = tensor.detach().clone(memory_format=torch.contiguous_format)
            with _company():
                distributed.broadcast(told, 0)
            if not torch.equal(told, tensor):  # a constant may be one number expanded, not to be written to
                tensor.copy_(told)


def ranks() -> Alone:
    """Those that train with this process: all of ``torch.distributed``, where it was initialised."""
    started = distributed.is_available() and distributed.is_initialized()
    return Together() if started and distributed.get_world_size() > 1 else Alone()


def launched() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that ``torchrun`` started are one group; nothing where it started one or none."""
    if not launched():
        yield
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def _company() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(
            "another of the processes that train together has ended; start all of them again to go on from "
            "the last checkpoint"
        ) from error
