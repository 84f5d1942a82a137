"""Each picture holds what ``rheon.images`` computed, at the place that its label says."""

import numpy as np
import pytest

from rheon import ImageDensity, plots
from rheon.datasets import load_digits
from rheon.images import looks

DIGITS = load_digits().images
TILE, GAP, MARGIN = 56, 4, 16


@pytest.fixture(scope="module")
def model():
    return ImageDensity("realnvp").fit(DIGITS[:200], steps=3)


def tiles(picture, rows, columns):
    """The images of the lower right corner, where they stand enlarged by seven, as grey levels 0…16."""
    page = np.asarray(picture)[..., 0]
    below, right = (MARGIN, MARGIN) if picture.width > columns * (TILE + GAP) + GAP else (0, 0)
    height, width = page.shape[0] - below, page.shape[1] - right
    strip = TILE + 2 * GAP if below else TILE + GAP
    found = np.empty((rows, columns, 8, 8), int)
    for i in range(rows):
        y = height - GAP - TILE - (rows - 1 - i) * strip
        for j in range(columns):
            x = width - (columns - j) * (TILE + GAP)
            found[i, j] = page[y : y + TILE : 7, x : x + TILE : 7]
    return np.rint(found * (16 / 255)).astype(int)


def test_temperatures(model):
    rows = looks.at_temperatures(model, 3, seed=1)
    np.testing.assert_array_equal(tiles(plots.temperatures(model, 3, seed=1), 6, 3), rows[:, :, 0])


def test_scales_and_what_is_first(model):
    rows = looks.scales(model, DIGITS[:4], seed=1)
    found = tiles(plots.scales(model, DIGITS[:4], seed=1), len(rows), 4)
    np.testing.assert_array_equal(found, rows[:, :, 0])
    np.testing.assert_array_equal(found[0], DIGITS[:4])


def test_interpolation(model):
    grid = looks.interpolation(model, DIGITS[:4], 5, seed=1)
    found = tiles(plots.interpolation(model, DIGITS[:4], 5, seed=1), 5, 5)
    np.testing.assert_array_equal(found, grid[:, :, 0])
    np.testing.assert_array_equal(found[0, -1], DIGITS[1])


def test_reconstruction_and_nearest(model):
    found = tiles(plots.reconstruction(model, DIGITS[:4]), 2, 4)
    np.testing.assert_array_equal(found, [DIGITS[:4]] * 2)
    new = looks.at_temperatures(model, 4, (1.0,), 2)[0][:, 0].astype(float)
    drawn, near = tiles(plots.nearest(model, DIGITS[:50], 4, seed=2), 2, 4)
    np.testing.assert_array_equal(drawn, new)
    squares = ((new[:, None] - DIGITS[:50]) ** 2).sum((2, 3))
    np.testing.assert_array_equal(near, DIGITS[squares.argmin(1)])


def test_bits_are_colours_below_their_images(model):
    picture = plots.bits(model, DIGITS[:3])
    np.testing.assert_array_equal(tiles(picture, 2, 3)[0], DIGITS[:3])
    lower = np.asarray(picture)[MARGIN + TILE + 3 * GAP : -MARGIN - GAP, -MARGIN - TILE - GAP : -MARGIN - GAP]
    assert (lower[..., 0] != lower[..., 2]).any()


def test_draws_alone_and_beside(model):
    new = looks.at_temperatures(model, 9, (1.0,), 3)[0]
    np.testing.assert_array_equal(tiles(plots.draws(model, n=9, seed=3), 3, 3), new[:, 0].reshape(3, 3, 8, 8))
    beside = plots.draws(model, DIGITS[:9], n=9, seed=3)
    real = np.asarray(beside)[-MARGIN - 3 * (TILE + GAP) : -MARGIN, -MARGIN - 3 * (TILE + GAP) : -MARGIN, 0]
    shown = np.stack([[real[y : y + TILE : 7, x : x + TILE : 7] for x in (0, 60, 120)] for y in (0, 60, 120)])
    np.testing.assert_array_equal(np.rint(shown * (16 / 255)).reshape(9, 8, 8), DIGITS[:9])
