"""A layer computed a second time: the same random numbers, and no running statistics moved again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def random_state(x: Tensor) -> list[Tensor]:
    """States of the global generators that a layer may draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(x.device)] if x.is_cuda else states


@contextmanager
def drawing(states: list[Tensor] | None, x: Tensor) -> Iterator[None]:
    """The global generators begin where they were, and are put back at the end; None leaves them alone."""
    if states is None:
        yield
        return
    with torch.random.fork_rng([x.device] if x.is_cuda else []):
        torch.set_rng_state(states[0])
        if x.is_cuda:
            torch.cuda.set_rng_state(states[1], x.device)
        yield


def moving(modules: Iterable[nn.Module]) -> list[Tensor]:
    """The buffers that a forward pass may move: running statistics, not constants."""
    return [
        buffer
        for module in modules
        if module.training
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set and buffer.is_contiguous()
    ]


@contextmanager
def unmoved(buffers: Iterable[Tensor]) -> Iterator[None]:
    """These are put back at the end: a second computation must not move running statistics again."""
    before = [(buffer, buffer.clone()) for buffer in buffers]
    try:
        yield
    finally:  # a checkpoint ends its second computation by an exception, as soon as it has what it needs
        for buffer, value in before:
            buffer.data.copy_(value)  # .data: whoever has kept the buffer for a derivative need not know
