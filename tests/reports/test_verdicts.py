"""Each sentence from its number: on both sides of every limit."""

import numpy as np
import pytest

from rheon.reports import verdicts


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


def test_calibration_names_the_columns():
    [found] = verdicts.calibrated({"a": 0.01, "b": 0.015}, 10_000)
    assert (found.level, "0.015 (b)" in found.text) == ("good", True)
    [found] = verdicts.calibrated({"a": 0.01, "b": 0.3, "c": 0.2}, 10_000)
    assert (found.level, "2 of 3" in found.text, "b, c" in found.advice) == ("bad", True, True)


def test_tails_that_the_model_lacks():
    draws = np.random.default_rng(0)
    heavy, light = draws.standard_t(2, 5000), draws.normal(size=5000)
    [found] = verdicts.tails({"x": heavy}, {"x": light}, ["x"])
    assert "column x" in found.advice
    assert not list(verdicts.tails({"x": light}, {"x": draws.normal(size=5000)}, ["x"]))


def test_copies_and_classifiers():
    assert verdicts.copies(np.array([0.0, 9]), np.array([5.0, 6])).level == "fair"
    assert verdicts.copies(np.array([4.0, 9]), np.array([5.0, 6])).level == "good"
    levels = [verdicts.two_samples({"boosting": auc, "logistic": 0.5}).level for auc in (0.55, 0.7, 0.9)]
    assert levels == ["good", "fair", "bad"]
    assert [verdicts.round_trip(error, "σ").level for error in (1e-5, 0.1)] == ["good", "bad"]
    assert [verdicts.batches(same).level for same in (True, False)] == ["good", "bad"]
