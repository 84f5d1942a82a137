import math

import numpy as np
import pytest

from rheon.plots import png, training_curve
from rheon.training import Unit


def _records(n=200, every=20):
    return [
        {"step": i, "loss": 100 + 300 / i, "validation": 110 + 200 / i if i % every == 0 else None}
        for i in range(1, n + 1)
    ]


def _texts(figure):
    axes = figure.axes[0]
    return [text.get_text() for text in (*axes.texts, *axes.get_legend().get_texts(), axes.yaxis.label)]


def test_curve_shows_validation_and_baselines_in_its_unit():
    unit = Unit.bits_per_dim((1, 8, 8))
    figure = training_curve(_records(), unit, {"independent pixels": 2.6})
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    at, value = lines["validation"].get_data()
    np.testing.assert_array_equal(at, range(20, 201, 20))
    np.testing.assert_allclose(value, [unit(110 + 200 / i) for i in at])
    assert any("independent pixels: 2.600" in text for text in _texts(figure))
    assert any("lower is better" in text for text in _texts(figure))
    assert any(f"best, {unit(111.0):.3f}" in text for text in _texts(figure))
    low, high = figure.axes[0].get_ylim()
    assert low < unit(101.5) < unit(111) < 2.6 < high


def test_best_of_log_probs_is_the_highest():
    figure = training_curve(_records(), Unit.mean_log_prob())
    assert any("best, -111.000" in text for text in _texts(figure))


def test_labels_of_near_baselines_keep_apart():
    figure = training_curve(_records(), Unit("nats"), {"a": 110.0, "b": 110.1, "c": 110.2})
    heights = [text.xyann[1] for text in figure.axes[0].texts]
    assert min(np.diff(heights)) > 0.04


@pytest.mark.parametrize(
    "records",
    [
        [{"step": 1, "loss": 3.0, "validation": None}],
        [{"step": 1, "loss": math.nan, "validation": None}],
        [{"step": i, "loss": math.inf if i == 5 else 1.0, "validation": math.nan} for i in range(1, 99)],
    ],
    ids=["one", "none finite", "some not finite"],
)
def test_odd_trainings_are_drawn(records):
    figure = training_curve(records, Unit("nats"), {"$\\frac{": 1.0, "\x1b[31m": 2.0})
    assert png(figure).startswith(b"\x89PNG")
