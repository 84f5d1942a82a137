"""Baselines against entropies and densities known in closed form, and on scikit-learn's digits."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

from rheon import RheonError
from rheon.evaluation import (
    gaussian_log_prob,
    histogram_bits_per_dim,
    mixture_bits_per_dim,
    mixture_log_prob,
)


@pytest.fixture(scope="module")
def digits():
    images = load_digits().images.astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order[:1150]], images[order[1150:1437]], images[order[1437:]]


def test_a_histogram_reaches_the_entropy():
    rng = np.random.default_rng(0)
    shares = np.array([[0.5, 0.25, 0.125, 0.125], [0.97, 0.01, 0.01, 0.01]])
    rows = np.stack([rng.choice(4, 20_000, p=share) for share in shares], 1)
    entropy = -(shares * np.log2(shares)).sum(1).mean()
    assert histogram_bits_per_dim(rows[:10_000], rows[10_000:], 4) == pytest.approx(entropy, abs=0.01)


def test_a_histogram_by_hand():
    """Two pixels, four images: α is the one of the ladder that leaving one out likes best."""
    train, test = np.array([[0, 2], [0, 2], [1, 2], [0, 2]]), np.array([[1, 0]])
    levels, n = 3, 4
    counts = np.array([[3, 1, 0], [0, 0, 4]])

    def bits(alpha, rows, counts, n):
        return -sum(
            math.log2((counts[j][k] + alpha) / (n + levels * alpha))
            for row in rows
            for j, k in enumerate(row)
        )

    def left_out(alpha):
        total = 0.0
        for i, row in enumerate(train):
            rest = np.delete(train, i, 0)
            fewer = [[int((rest[:, j] == k).sum()) for k in range(levels)] for j in range(2)]
            total += bits(alpha, [row], fewer, n - 1)
        return total

    alpha = min((2.0**k for k in range(-12, 7)), key=left_out)
    assert histogram_bits_per_dim(train, test, levels) == pytest.approx(bits(alpha, test, counts, n) / 2)


def test_values_never_seen_cost_something_finite():
    assert 5 < histogram_bits_per_dim(np.zeros((100, 1)), np.full((1, 1), 255), 256) < 40


def test_digits_by_histograms(digits):
    train, validation, test = digits
    figure = histogram_bits_per_dim(np.concatenate((train, validation)), test, 17)
    assert figure == pytest.approx(2.43, abs=0.02)


@pytest.mark.slow
def test_digits_by_a_mixture(digits):
    assert mixture_bits_per_dim(*digits, levels=17) == pytest.approx(2.56, abs=0.03)


def test_a_mixture_of_images_is_in_bits_per_dimension():
    """Uniform levels on 3 pixels: log₂ L bits each, and a Gaussian pays ½ log₂(2πe/12) = 0.25 more."""
    rng = np.random.default_rng(0)
    images = rng.integers(16, size=(900, 1, 1, 3))
    figure = mixture_bits_per_dim(images[:500], images[500:700], images[700:], 16)
    assert 4.0 < figure < 4.27


def two_lumps(n, seed):
    """Two narrow normals, far apart, in units of 1e4 and 1e-4; and their log-density."""
    rng = np.random.default_rng(seed)
    side = rng.integers(2, size=(n, 1)) * 2 - 1
    unit = rng.normal(size=(n, 2)) * 0.1 + side
    log_p = np.logaddexp(*(-0.5 * (((unit - c) / 0.1) ** 2).sum(1) for c in (-1, 1)))
    log_p += -math.log(2) - math.log(2 * math.pi) - 2 * math.log(0.1)
    return unit * [1e4, 1e-4] + [5e4, 0], log_p


def test_a_mixture_finds_a_mixture_in_any_units():
    (train, _), (validation, _), (test, truth) = two_lumps(500, 0), two_lumps(200, 1), two_lumps(500, 2)
    log_p = mixture_log_prob(train, validation, test)
    assert log_p.shape == (500,)
    assert truth.mean() - 0.05 < log_p.mean() < truth.mean() + 0.02
    assert gaussian_log_prob(train, test).mean() < log_p.mean() - 1
    np.testing.assert_array_equal(log_p, mixture_log_prob(train, validation, test))


def test_a_mixture_of_five_rows():
    rows = np.random.default_rng(0).normal(size=(7, 2))
    assert np.isfinite(mixture_log_prob(rows[:4], rows[4:5], rows[5:])).all()


def test_a_gaussian_is_the_gaussian():
    rng = np.random.default_rng(0)
    mixing, place = (
        np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 3.0, 0.5]]),
        np.array([1.0, -5.0, 100.0]),
    )
    unit = rng.normal(size=(50_000, 3))
    rows = unit @ mixing.T + place
    truth = -0.5 * (unit**2).sum(1) - 1.5 * math.log(2 * math.pi) - math.log(2 * 1 * 0.5)
    np.testing.assert_allclose(gaussian_log_prob(rows, rows[:200]), truth[:200], atol=0.15)


def test_columns_that_repeat_each_other_are_no_obstacle():
    column = np.random.default_rng(0).normal(size=(100, 1))
    rows = np.concatenate((column, 2 * column), 1)
    assert np.isfinite(gaussian_log_prob(rows, rows)).all()
    assert np.isfinite(mixture_log_prob(rows[:60], rows[60:80], rows[80:])).all()


@pytest.mark.usefixtures("untouched_rng")
def test_nothing_of_the_caller_changes():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    rows.setflags(write=False)
    mixture_log_prob(rows[:30], rows[30:40], rows[40:])
    levels = np.random.default_rng(0).integers(4, size=(60, 2))
    levels.setflags(write=False)
    mixture_bits_per_dim(levels[:30], levels[30:40], levels[40:], 4)
    histogram_bits_per_dim(levels, levels, 4)


ROWS = np.random.default_rng(0).normal(size=(20, 2))


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: histogram_bits_per_dim([[0], [4]], [[0]], 4), "train must hold whole numbers from 0 to 3"),
        (lambda: histogram_bits_per_dim([[0], [1]], [[-1]], 4), "test must hold whole numbers"),
        (lambda: histogram_bits_per_dim([[0], [1]], [[0.5]], 4), "test must hold whole numbers"),
        (lambda: histogram_bits_per_dim([[0], [1]], [[math.nan]], 4), "test must hold whole numbers"),
        (lambda: histogram_bits_per_dim([[0], [1]], [["a"]], 4), "test must hold whole numbers"),
        (lambda: histogram_bits_per_dim([[0], [1]], [[0, 1]], 4), "one number of columns, got 1 and 2"),
        (lambda: histogram_bits_per_dim([[0]], [[0]], 4), "at least 2 images"),
        (lambda: histogram_bits_per_dim([0, 1], [[0]], 4), "train must have shape"),
        (lambda: mixture_log_prob(ROWS, ROWS[:, :1], ROWS), "one number of columns, got 2 and 1"),
        (lambda: mixture_log_prob(ROWS, ROWS, ROWS * math.inf), "test has values that are not finite"),
        (lambda: gaussian_log_prob(ROWS[:0], ROWS), "train must have shape"),
        (lambda: gaussian_log_prob(ROWS * [1, 0] + 7, ROWS), "column 1 of train does not vary"),
    ],
)
def test_what_cannot_be_used_is_refused(call, what):
    with pytest.raises(RheonError, match=what):
        call()
