"""Each sentence from the figure that a directory records: on both sides of every limit."""

import pytest

from rheon import verdicts


@pytest.mark.parametrize(("value", "level"), [(1.9, "good"), (2.499, "fair"), (2.6, "bad")])
def test_images_against_the_best_simpler_model(value, level):
    figures = {
        "bits_per_dim": value,
        "bits_per_dim_error": 0.01,
        "mixture_bits_per_dim": 2.5,
        "histogram_bits_per_dim": 3.0,
    }
    [found] = verdicts.likelihood({**figures, "likelihood": "exact log P of the levels"})
    assert found.level == level
    assert f"{value:.3f} bits/dim (exact log P of the levels) on test data" in found.text
    assert "a Gaussian mixture (2.500, ELBO with uniform noise)" in found.text


@pytest.mark.parametrize(("value", "level"), [(-1.0, "good"), (-2.01, "fair"), (-3.0, "bad")])
def test_rows_against_the_best_simpler_model(value, level):
    figures = {"log_prob": value, "log_prob_error": 0.1, "gaussian_log_prob": -2.0, "mixture_log_prob": -5.0}
    [found] = verdicts.likelihood(figures)
    assert (found.level, "one Gaussian (-2.000)" in found.text) == (level, True)


def test_training_that_was_still_getting_better():
    [found] = verdicts.training({"steps": 100, "best_step": 98, "ended": "with the budget"})
    assert found.level == "fair"
    [found] = verdicts.training({"steps": 100, "best_step": 60, "ended": "early"})
    assert found.level == "good"


def test_the_true_density_is_no_rival():
    [found] = verdicts.likelihood({"log_prob": -1.0, "true_log_prob": -0.5})
    assert (found.level, "no simpler model" in found.text) == ("fair", True)


@pytest.mark.parametrize(("error", "total", "levels"), [(1e-5, 1.001, ["good"] * 2), (0.1, 0.9, ["bad"] * 2)])
def test_exactness(error, total, levels):
    found = list(verdicts.exactness({"round_trip_error": error, "integral": total}))
    assert [v.level for v in found] == levels
    assert f"{error:.1e}" in found[0].text
    assert f"{total:.4f}" in found[1].text
    assert all(bool(v.advice) == (v.level == "bad") for v in found)


def test_a_figure_that_could_not_be_had_is_no_verdict():
    assert not list(verdicts.recorded({"figures": {"round_trip_error": "left out: …"}, "training": {}}))
