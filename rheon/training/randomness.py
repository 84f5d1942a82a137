"""Counter-based randomness: every draw is a function of (seed, stream, index), so there is no state to save.

A generator is made where it is needed and thrown away. What a step draws therefore depends neither on the
steps before it nor on how training was stopped and taken up again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import lru_cache

import torch
from numpy.random import SeedSequence


class Stream(IntEnum):
    """What the draws are for: streams of one seed share nothing. The numbers are fixed for ever."""

    ORDER = 0
    STEP = 1
    LAYERS = 2
    VALIDATION = 3
    WINDOW = 4


def mixed(seed: int, stream: Stream, index: int) -> int:
    """A 64-bit seed from (seed, stream, index): near inputs give unrelated seeds, none of a stream the same.

    It is number ``index`` of the SplitMix64 generator that begins at NumPy's SeedSequence of (seed, stream):
    that sequence itself takes ten times as long.

    Reference: Steele, Lea, Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014.
    """
    z = (_start(seed, stream) + (index + 1) * 0x9E3779B97F4A7C15) & _64_BITS
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _64_BITS
    return z ^ z >> 31


_64_BITS = 2**64 - 1


@lru_cache(maxsize=64)
def _start(seed: int, stream: Stream) -> int:
    words = SeedSequence((seed, stream)).generate_state(2)
    return int(words[0]) << 32 | int(words[1])


def generator_for(
    seed: int, stream: Stream, index: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A new generator, seeded by :func:`mixed`."""
    return torch.Generator(device).manual_seed(mixed(seed, stream, index))


def step_generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator for the noise of one step (dequantisation, jitter).

    >>> a, b = step_generator(0, 7), step_generator(0, 7)
    >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).all())
    True
    """
    return generator_for(seed, Stream.STEP, step, device)


@contextmanager
def lent_global_rng(seed: int, step: int, device: torch.device, rank: int = 0) -> Iterator[None]:
    """The global RNG, seeded by (seed, step, rank) inside and as the caller had it outside.

    Layers such as ``nn.Dropout`` can draw from nothing else.
    """
    lent = [torch.default_generator]
    if device.type == "cuda":
        lent.append(torch.cuda.default_generators[device.index])
    states = [generator.get_state() for generator in lent]
    layers_seed = mixed(seed, Stream.LAYERS, step) ^ rank
    try:
        for generator in lent:
            generator.manual_seed(layers_seed)
        yield
    finally:
        for generator, state in zip(lent, states, strict=True):
            generator.set_state(state)
