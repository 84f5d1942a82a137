"""Pictures of rows: the numbers behind what is drawn, and that hostile names stay text."""

import io

import numpy as np
import pytest

from rheon import RheonError
from rheon.plots import calibration, correlation_difference, marginals, pairs

RNG = np.random.default_rng(0)
REAL = {
    "a": RNG.normal(size=500),
    "b": RNG.exponential(size=500),
    "c": RNG.choice(["u", "v"], 500, p=[0.8, 0.2]),
}
DRAWN = {
    "a": RNG.normal(1.0, 1.0, 400),
    "b": RNG.exponential(size=400),
    "c": np.array(["v"] * 100 + ["u"] * 300),
}


def test_marginals_draw_the_share_of_rows():
    figure = marginals(REAL, DRAWN)
    a, _, c = figure.axes[:3]
    drawn, real = a.patches
    low, high = real.get_data().edges[[0, -1]]
    inside = ((REAL["a"] >= low) & (REAL["a"] <= high)).mean()
    assert real.get_data().values.sum() == pytest.approx(inside)
    assert drawn.get_data().values.sum() < inside, "those shifted out of the window are not squeezed into it"
    heights = [bar.get_height() for bar in c.patches]
    assert heights == pytest.approx([0.75, 0.25, (REAL["c"] == "u").mean(), (REAL["c"] == "v").mean()])


def test_calibration_is_the_transform_by_the_drawn_distribution():
    figure = calibration(REAL, DRAWN)
    curves = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    # a is drawn one unit too high: of the real values 81 % lie below the drawn median
    assert curves["a"][100] == pytest.approx((REAL["a"] <= np.median(DRAWN["a"])).mean(), abs=0.01)
    assert np.abs(curves["b"] - np.linspace(0, 1, 201)).max() < 0.1


def test_pairs_take_the_columns_that_depend_on_each_other():
    x = RNG.normal(size=300)
    real = {"free": RNG.normal(size=300), "x": x, "y": x + 0.1 * RNG.normal(size=300)}
    figure = pairs(real, real, most=2)
    assert [axis.get_xlabel() for axis in figure.axes[-2:]] == ["x", "y"]


def test_correlation_difference_is_drawn_minus_real():
    x = RNG.normal(size=300)
    figure = correlation_difference({"x": x, "y": x}, {"x": x, "y": -x})
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[0, -2], [-2, 0]], atol=1e-12)


def test_hostile_names_are_text():
    names = {"<script>alert(1)</script>": "a", "$x_{": "b", "\x1b[31mred": "c"}
    real, drawn = ({name: part[key] for name, key in names.items()} for part in (REAL, DRAWN))
    for picture in (marginals, pairs, calibration, correlation_difference):
        picture(real, drawn).savefig(io.BytesIO())


def test_missing_values_are_left_out_of_what_is_drawn():
    holes = {**REAL, "a": np.where(RNG.random(500) < 0.5, np.nan, REAL["a"])}
    holes["c"] = np.where(RNG.random(500) < 0.5, None, holes["c"].astype(object))
    for picture in (marginals, pairs, calibration, correlation_difference):
        picture(holes, DRAWN).savefig(io.BytesIO())


def test_no_numbers_no_pairs():
    text = {"c": REAL["c"], "d": REAL["c"]}
    for picture in (pairs, calibration, correlation_difference):
        with pytest.raises(RheonError, match="columns of numbers"):
            picture(text, text)
