import math

import pytest
import torch

from rheon.training import Rows, Settings
from rheon.training.budget import Budget
from rheon.training.watch import Watch, mean_nats
from rheon.training.weights import Weights


def watch(flow, rows, **settings):
    settings = Settings(**{"steps": 100, "ema_decay": 0.0, **settings})
    weights = Weights(flow)
    return Watch(flow, weights, rows, settings, Budget(settings)), weights


def test_mean_nats_of_a_standard_normal_in_closed_form(normal, rows):
    expected = 1.5 * math.log(2 * math.pi) + 0.5 * rows.double().square().sum(1).mean().item()
    for chunk in (1, 7, 400, 1000):
        assert mean_nats(normal, Rows(rows), chunk, seed=0) == pytest.approx(expected, rel=1e-6)


def test_validation_noise_is_the_same_each_time_and_differs_between_chunks(normal):
    same_rows = Rows(torch.zeros(8, 3), noise=1.0)
    assert mean_nats(normal, same_rows, 4, seed=0) == mean_nats(normal, same_rows, 4, seed=0)
    assert mean_nats(normal, same_rows, 4, seed=0) != mean_nats(normal, same_rows, 4, seed=1)
    one_chunk = mean_nats(normal, Rows(torch.zeros(4, 3), noise=1.0), 4, seed=0)
    assert mean_nats(normal, same_rows, 4, seed=0) != one_chunk


def test_the_best_weights_are_kept_and_patience_runs_out(normal):
    at, weights = watch(normal, Rows(torch.zeros(5, 3)), patience=0.25)
    seen = [(0.1, 3.0, True), (0.2, 1.0, True), (0.3, 2.0, False), (0.44, 1.5, False), (0.46, 1.2, False)]
    for progress, mean, is_best in seen:
        with torch.no_grad():
            normal.mean.fill_(mean)
        at.average.update()
        value, best = at.validate(progress)
        assert value == pytest.approx(1.5 * math.log(2 * math.pi) + 1.5 * mean**2, rel=1e-6)
        assert best is is_best
        assert at.hopeless is (progress > 0.45)
    weights.release(at.best)
    assert normal.mean.tolist() == [1.0, 1.0, 1.0]


def test_a_validation_that_is_no_number_is_never_the_best(normal):
    at, _ = watch(normal, Rows(torch.full((5, 3), math.nan)))
    value, best = at.validate(0.1)
    assert math.isnan(value)
    assert not best
    assert at.best is at.average.values


def test_validations_take_no_more_than_a_tenth(normal):
    few, _ = watch(normal, Rows(torch.zeros(30, 3)), batch_size=10, validate_every=0.05)
    assert not few.due(0.049)
    few.validate(0.05)
    # 30 rows are 3 batches, forward only: one step's worth in a hundred, so ten in a hundred at least between
    assert not few.due(0.149)
    assert few.due(0.151)
    many, _ = watch(normal, Rows(torch.zeros(30, 3)), batch_size=30, validate_every=0.05)
    many.validate(0.05)
    assert not many.due(0.099)
    assert many.due(0.101)


def test_without_validation_rows_there_is_nothing_to_see(normal):
    at, _ = watch(normal, None, patience=0.1)
    assert at.validate(1.0) == (None, False)
    assert not at.hopeless
    assert at.best is at.average.values
