"""What flows learn from: whitened rows, held-out rows of which a mixture's figure is honest."""

import numpy as np
import pytest
import torch

from rheon.architectures import nice
from rheon.tables.floor import flow_weight
from rheon.tables.folds import fold_of_each
from rheon.tables.preparing import folds_of, judged, prepare

RNG = np.random.default_rng(0)
ROWS = torch.from_numpy(np.stack([RNG.gamma(2.0, size=600), RNG.normal(size=600)], 1))


@pytest.fixture(scope="module")
def ready():
    return prepare(ROWS, ROWS[:, :1] * 3, fold_of_each(600, 0, 5), True, 0)


def test_every_row_is_judged_once_by_what_has_not_learned_from_it(ready):
    assert ready.rows == (600, 600)
    assert judged(ready.folds).sort().values.tolist() == list(range(600))
    for learn, left_out in ready.folds:
        assert not set(learn.tolist()) & set(left_out.tolist())


def test_one_member_learns_from_what_it_is_not_judged_by():
    (learn, left_out), *more = folds_of(fold_of_each(100, 0, 1))
    assert (len(learn), len(left_out), more) == (90, 10, [])


def test_rows_come_out_whitened_with_their_log_determinant(ready):
    assert ready.z.dtype == torch.float32
    np.testing.assert_allclose(torch.cov(ready.z.T), np.eye(2), atol=0.05)
    z, log_det = ready.preprocessing.forward(ROWS)
    assert ready.log_det == pytest.approx(float(log_det.mean()), abs=1e-12)
    assert torch.allclose(z.float(), ready.z, atol=1e-4)
    assert ready.given.shape == (600, 1)


def test_flows_weigh_by_the_rows_left_out(ready):
    flow = nice(2, couplings=2, base="normal")  # the identity: a standard normal density of z
    floor, weight = ready.weigh([flow] * 5)
    rows = judged(ready.folds)
    z, log_det = ready.preprocessing.forward(ROWS[rows])
    ours = -(z**2).sum(1) / 2 - np.log(2 * np.pi) + log_det
    beside = ready.floor[1]
    assert weight == pytest.approx(flow_weight(ours, beside), abs=1e-4)
    assert weight != pytest.approx(flow_weight(ours.flip(0), beside), abs=1e-4), "rows and rows are paired"
    assert floor is ready.floor[0]


def test_without_a_mixture_the_flows_are_alone():
    alone = prepare(ROWS, None, fold_of_each(600, 0, 1), False, 0)
    assert alone.weigh([]) == (None, 1.0)
    assert alone.given is None
