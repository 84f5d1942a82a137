import numpy as np
import pytest

from rheon.datasets import TOYS
from rheon.plots import density_picture, png, window_of


def test_panels_show_the_densities_on_one_scale():
    toy = TOYS["moons"]
    x = toy.sample(500, seed=0)
    figure = density_picture(
        lambda points: toy.log_density(points) - 1,
        toy.window,
        samples=x,
        data=x[:300],
        true_log_prob=toy.log_density,
        cells=40,
    )
    learned, true, drawn, real = figure.axes[:4]
    titles = [axis.get_title() for axis in (learned, true, drawn, real)]
    assert titles == ["learned density", "true density", "300 rows drawn from it", "300 real rows"]
    first, second = learned.images[0], true.images[0]
    assert first.get_clim() == second.get_clim()
    # The cell that holds a point has its density, the row axis upwards.
    (left, right), (bottom, top) = toy.window
    column, row = 13, 31
    centre = [left + (column + 0.5) * (right - left) / 40, bottom + (row + 0.5) * (top - bottom) / 40]
    expected = max(toy.log_density([centre])[0], second.get_clim()[0])
    assert second.get_array()[row, column] == pytest.approx(expected)
    assert second.origin == "lower"


def test_a_density_that_is_zero_or_unknown_somewhere():
    def log_prob(points):
        return np.where(points[:, 0] > 0, -np.log(4), -np.inf)

    x = np.random.default_rng(0).random((50, 2))
    figure = density_picture(log_prob, ((-2, 2), (-2, 2)), samples=x, data=x, cells=20)
    assert len(figure.axes) == 4  # three panels and the scale
    assert png(figure).startswith(b"\x89PNG")


def test_names_of_columns_are_text():
    x = np.random.default_rng(0).random((50, 2))
    names = ("$\\frac{<script>", "\x1b[31m密度" + "y" * 100)
    figure = density_picture(lambda p: -p[:, 0], ((0, 1), (0, 1)), samples=x, data=x, names=names, cells=10)
    assert figure.axes[0].get_xlabel() == "$\\frac{<script>"
    assert figure.axes[0].get_ylabel().startswith("\\x1b[31m密度yyy")
    assert len(figure.axes[0].get_ylabel()) == 40
    assert png(figure).startswith(b"\x89PNG")


def test_window_holds_the_rows_and_not_the_outliers():
    x = np.random.default_rng(0).normal(size=(5000, 2)) * (1, 1e-6) + (1e9, 0)
    x[0] = 1e12
    (left, right), (bottom, top) = window_of(x)
    assert 1e9 - 6 < left < 1e9 - 3
    assert 1e9 + 3 < right < 1e9 + 6
    assert -6e-6 < bottom < -3e-6 < 3e-6 < top < 6e-6


def test_same_picture_same_bytes():
    x = np.random.default_rng(0).random((20, 2))

    def draw():
        return png(density_picture(lambda p: -p[:, 0], ((0, 1), (0, 1)), samples=x, data=x, cells=10))

    assert draw() == draw()
