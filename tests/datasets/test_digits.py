import numpy as np
import pytest
from sklearn.datasets import load_digits as sklearn_digits

from rheon.datasets import load_digits, random_split
from rheon.errors import RheonError


def test_digits_are_those_of_scikit_learn():
    digits = load_digits()
    theirs = sklearn_digits()
    assert digits.images.dtype == np.uint8
    assert np.array_equal(digits.images, theirs.images)
    assert np.array_equal(digits.labels, theirs.target)
    assert digits.levels == int(digits.images.max()) + 1


@pytest.mark.parametrize(
    ("n", "fraction", "held"), [(1797, 0.2, 359), (2, 0.01, 1), (3, 0.99, 2), (10, 0.5, 5)]
)
def test_split_is_a_partition_of_the_rows(n, fraction, held):
    train, test = random_split(n, fraction, seed=5)
    assert len(test) == held
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    assert np.array_equal(test, np.sort(test))
    assert np.array_equal(test, random_split(n, fraction, seed=5)[1])


def test_split_is_random_and_differs_by_seed():
    rows = [random_split(1000, 0.2, seed)[1] for seed in range(20)]
    assert len({tuple(r) for r in rows}) == 20
    # the mean of 200 of the rows 0…999 has a standard deviation of 18
    assert abs(np.mean(rows) - 499.5) < 4 * 18.3 / np.sqrt(20)


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (10, 0.0), (10, 1.0), (0, 0.1)])
def test_a_split_that_cannot_be_is_refused(n, fraction):
    with pytest.raises(RheonError, match="cannot hold out"):
        random_split(n, fraction)
