"""What the architectures share: partitions that change from coupling to coupling, and checked sizes."""

from collections.abc import Iterator
from math import prod

from rheon.errors import RheonError
from rheon.partitions import Partition

_MOST = 2**24


def alternate(partition: Partition, couplings: int, size_a: int) -> Iterator[Partition]:
    """The partition, its complement, the partition, …: any two couplings in a row change every scalar.

    With nothing in x_A (one feature) the complement would change nothing, and is left out.
    """
    swapped = partition.swapped() if size_a else partition
    return (swapped if k % 2 else partition for k in range(couplings))


def positive(**sizes: int) -> None:
    """Refuses sizes below 1, or beyond what any machine holds, by name."""
    for name, size in sizes.items():
        if not _whole(size, 1) or size > _MOST:
            raise RheonError(f"{name} must be a whole number from 1 to {_MOST:,}, got {size!r}.")


def check_conditioners(hidden: object, context_features: object) -> None:
    """Refuses widths of hidden layers, or a number of context features, that no network can have."""
    if not isinstance(hidden, (tuple, list)) or not all(_whole(width, 1) for width in hidden):
        raise RheonError(f"hidden must be the widths of the hidden layers, such as (64, 64), got {hidden!r}.")
    check_context_features(context_features)


def check_context_features(context_features: object) -> None:
    """Refuses what is no number of features."""
    if not _whole(context_features, 0):
        raise RheonError(f"context_features must be a whole number of at least 0, got {context_features!r}.")


def image_shape(shape: object) -> tuple[int, int, int]:
    """(C, H, W) from a sequence of three positive whole numbers."""
    numbers = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    if len(numbers) != 3 or not all(_whole(n, 1) for n in numbers) or prod(numbers) > 2**28:
        raise RheonError(f"shape must be (channels, height, width), got {shape!r}.")
    return numbers


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
