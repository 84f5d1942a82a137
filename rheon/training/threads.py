"""How many CPU threads to train with: measured, since no rule knows.

On small networks more threads can be many times slower, on large ones they pay. Both counts are tried on a
copy of the flow, so that the run itself is the same as without trying.
"""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rheon.training.descent import Descent
from rheon.training.economy import as_trained
from rheon.training.settings import Settings
from rheon.training.weights import Weights

Batch = Callable[[int], tuple[Tensor, Tensor | None]]

_ROUNDS = 3
_BLOCK_SECONDS = 0.04
_BLOCK_STEPS = 8
_ENOUGH_SECONDS = 0.6
_GAIN_WANTED = 0.9


@contextmanager
def lent_threads(count: int) -> Iterator[None]:
    """``count`` threads for torch inside, the caller's number outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(flow: nn.Module, batch: Batch, settings: Settings) -> int:
    """The number of threads to train with.

    It is the one in the settings or, for "auto", 1 or the caller's number, whichever makes the faster step.
    It never exceeds the caller's, and on a GPU, where CPU threads matter little, it is the caller's.

    Args:
        flow: left as it is.
        batch: (x, context) of step 0, 1, …
        settings: ``threads``, and those of the optimiser.
    """
    if settings.threads != "auto":
        return settings.threads
    most = torch.get_num_threads()
    if most == 1 or next(flow.parameters()).device.type != "cpu":
        return most
    trial = copy.deepcopy(flow).train()
    descent, trained = Descent(Weights(trial), settings), as_trained(trial, settings)

    def step(index: int) -> None:
        descent.step(descent.slope(trained, *batch(index)), rate=0.0)

    seconds = measured_seconds(step, (1, most))
    return most if seconds[most] < _GAIN_WANTED * seconds[1] else 1


def measured_seconds(step: Callable[[int], None], counts: tuple[int, ...]) -> dict[int, float]:
    """Seconds per step for each number of threads.

    The best of a few short blocks, in turns, so that a busy moment of the machine does not decide. Takes
    about half a second, or two steps of each where steps are long.
    """
    seconds = dict.fromkeys(counts, float("inf"))
    start = time.perf_counter()
    for _ in range(_ROUNDS):
        for count in counts:
            with lent_threads(count):
                step(0)  # wakes the threads
                seconds[count] = min(seconds[count], _block(step))
        if time.perf_counter() - start > _ENOUGH_SECONDS:
            break
    return seconds


def _block(step: Callable[[int], None]) -> float:
    start = time.perf_counter()
    for done in range(1, _BLOCK_STEPS + 1):
        step(done)
        if time.perf_counter() - start > _BLOCK_SECONDS:
            break
    return (time.perf_counter() - start) / done
