"""Handwritten digits that scikit-learn carries, as whole numbers, and a random split of rows.

Reference:
    E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, 1998, UCI Machine Learning Repository.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rheon.errors import RheonError


@dataclass(frozen=True)
class Digits:
    """1,797 grey images (1797, 8, 8), a pixel the count 0…16 of ink in a 4×4 cell; labels 0…9 (1797,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    levels: int = 17


def load_digits() -> Digits:
    """Scikit-learn's copy of the digits.

    >>> digits = load_digits()
    >>> digits.images.shape, digits.images.dtype, int(digits.images.max())
    ((1797, 8, 8), dtype('uint8'), 16)
    """
    from sklearn import datasets  # loaded when used: it is the slowest import of all that reads data

    bunch = datasets.load_digits()
    return Digits(bunch.images.astype(np.uint8), bunch.target.astype(np.uint8))


def random_split(n: int, fraction: float, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cuts the rows 0…n−1 in two at random: (rows to train on, rows held out), each in ascending order.

    Args:
        n: number of rows, at least 2.
        fraction: the share that is held out, between 0 and 1; round(fraction · n) rows, but at least one in
            each part.
        seed: the same seed gives the same split.

    >>> train, test = random_split(1797, 0.2)
    >>> len(train), len(test)
    (1438, 359)
    """
    if n < 2 or not 0 < fraction < 1:
        raise RheonError(
            f"cannot hold out fraction={fraction} of n={n} rows; expected n ≥ 2 and 0 < fraction < 1"
        )
    order = np.random.default_rng(seed).permutation(n)
    held_out = min(max(round(fraction * n), 1), n - 1)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
