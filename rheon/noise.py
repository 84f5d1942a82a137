"""Random bits that are a function of what they are for: the same row has the same noise in any company.

Reference: Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014,
doi:10.1145/2660193.2660195.
"""

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def bits_of(words: NDArray[np.uint64], count: int, seed: int, draw: int) -> NDArray[np.uint64]:
    """``count`` words of 64 random bits for each row of ``words`` (N, K), (N, count).

    A 64-bit hash of the row starts a counter, whose values are mixed as in SplitMix64.

    >>> rows = np.array([[1, 2], [3, 4]], dtype=np.uint64)
    >>> bool((bits_of(rows, 3, 0, 0)[1] == bits_of(rows[1:], 3, 0, 0)[0]).all())
    True
    """
    # A Python int, so that any seed is accepted and wraps to 64 bits.
    start = np.uint64((seed * 0x632BE59BD9B4E019 + draw * 0xD1342543DE82EF95 + 1) % 2**64)
    place = np.arange(1, max(words.shape[1], count) + 1, dtype=np.uint64) * _GOLDEN
    # Each word is mixed with its place before the sum, so that moved or exchanged ones give another hash.
    mixed = _mix(words * np.uint64(0xBF58476D1CE4E5B9) + place[: words.shape[1]])
    key = _mix(mixed.sum(1, dtype=np.uint64) ^ start)
    return _mix(key[:, None] + place[:count])


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
