import numpy as np
import pytest
import torch

import rheon
from rheon.errors import ModelError, RheonError
from rheon.tables import TableDensity
from rheon.tables.ordinary import Ordinary
from rheon.training import Settings


def test_the_percentile_is_the_share_that_scores_as_low_or_lower():
    known = np.random.default_rng(0).normal(size=5000)
    ordinary, scores = Ordinary.of(known), np.linspace(-4, 4, 200)
    expected = [100 * (known <= score).mean() for score in scores]
    np.testing.assert_allclose(ordinary.percentile(scores), expected, atol=0.1)
    for share in (0.001, 0.05, 1.0):
        assert (known < ordinary.threshold(share)).mean() == pytest.approx(share, abs=1e-3)


def test_scores_that_come_often_count_as_one():
    ordinary = Ordinary.of(np.repeat([-3.0, -2.0, -1.0], [10, 1990, 8000]))
    assert ordinary.percentile(np.array([-3.0, -2.0, -1.0])) == pytest.approx([0.1, 20, 100], abs=0.15)
    assert ordinary.percentile(np.array([-4.0, -1.5, 0.0])) == pytest.approx([0, 20, 100], abs=0.15)
    assert ordinary.threshold(0.01) == -2.0


def test_scores_without_end():
    ordinary = Ordinary.of(np.array([-np.inf, 1.0, 2.0]))
    assert ordinary.percentile(np.array([-np.inf, np.inf, 2.0])).tolist() == [0, 100, 100]


@pytest.mark.parametrize(
    "quantiles", [torch.zeros(5).double(), torch.zeros(1001), torch.arange(1001.0).double().flip(0)]
)
def test_what_no_quantiles_are(quantiles):
    with pytest.raises(ModelError, match="quantiles of training scores"):
        Ordinary(quantiles)
    with pytest.raises(RheonError, match="contamination must be"):
        Ordinary.of(np.arange(3.0)).threshold(0)


def test_a_model_keeps_how_its_training_rows_scored(tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 2))
    model = TableDensity().fit(rows, settings=Settings(steps=5, threads=1))
    scores = model.log_prob(rows)
    np.testing.assert_allclose(np.sort(model.percentile(scores)), 100 * np.arange(1, 401) / 400, atol=0.3)
    assert (scores < model.threshold()).sum() == 4
    model.save(tmp_path / "m")
    again = rheon.load(tmp_path / "m")
    assert torch.equal(again.ordinary.quantiles, model.ordinary.quantiles)
    model.ordinary = None  # as models were before
    model.save(tmp_path / "m", overwrite=True)
    old = rheon.load(tmp_path / "m")
    assert np.array_equal(old.log_prob(rows), scores)
    with pytest.raises(RheonError, match="does not say how its training rows scored"):
        old.percentile(scores)


def test_a_training_that_is_ended_early_keeps_it_too():
    rows = np.random.default_rng(0).normal(size=(400, 2))
    model = TableDensity()
    training = model.training(rows, Settings(steps=5, threads=1))
    next(training)
    training.close()
    assert model.percentile(np.array([1e9])).tolist() == [100]
