"""Each sentence from its number: on both sides of every limit."""

import numpy as np

from rheon.evaluation import Check, Report
from rheon.reports import verdicts


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


def _report(**passed):
    names = {
        "trip": "round trip at 6 σ",
        "total": "sum of P over all codes",
        "alone": "a row's score alone and together",
    }
    return Report(tuple(Check(names[k], ok, 0.5, 1.0, "") for k, ok in passed.items()))


def test_what_was_measured_on_the_model():
    good = list(verdicts.invariants(_report(trip=True, total=True, alone=True)))
    assert [v.level for v in good] == ["good"] * 4
    assert "3 checks on this model, none failed" in good[0].text
    assert "5e-01 at 6 σ" in good[1].text
    assert "off from one by 5e-01" in good[2].text
    for name in ("trip", "total", "alone"):
        found = list(verdicts.invariants(_report(**{name: False})))
        assert [v.level for v in found] == ["bad", "bad"]
        assert all(v.advice for v in found)


def test_what_could_not_be_measured_is_no_verdict():
    assert len(list(verdicts.invariants(_report(trip=None, total=None, alone=None)))) == 1
