"""The allowance for rounding follows the map's slope, covers no more than that, and not most of the rows."""

import pytest
import torch

from rheon.bijections import Logit
from rheon.evaluation.rounding import UNITS, judged, rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_cost_of_rounding_is_the_slope_times_the_last_place(dtype):
    """v = 0.05 + 0.45 x; dz = 16 eps x · 0.45 / v(1 - v), relative to the largest z of the column."""
    logit = Logit(2, alpha=0.05)
    x = torch.tensor([[1.0], [2.0], [2.1]], dtype=torch.float64)
    v = 0.05 + 0.45 * x[:, 0]
    slope, eps = 0.45 / (v * (1 - v)), UNITS * torch.finfo(dtype).eps
    cost, cost_log_det = rounding(logit, x, dtype)
    torch.testing.assert_close(cost, eps * x[:, 0] * slope / v.logit().abs().max(), rtol=1e-2, atol=1e-13)
    # d/dx of log|det| = -log v - log(1 - v) + constant.
    torch.testing.assert_close(
        cost_log_det, (eps * x[:, 0] * 0.45 * (1 / (1 - v) - 1 / v)).abs(), rtol=1e-2, atol=1e-3 * eps + 1e-13
    )


def test_the_cost_is_infinite_where_the_last_place_leaves_the_domain():
    x = torch.tensor([[(0.95 / 0.45) * (1 - 1e-9)], [1.0]], dtype=torch.float64)
    assert rounding(Logit(2), x, torch.float32)[0].isfinite().tolist() == [False, True]
    assert bool(rounding(Logit(2), x, torch.float64)[0].isfinite().all())


def test_rounding_explains_nothing_where_there_are_no_numbers():
    x = torch.tensor([[5.0], [1.0]], dtype=torch.float64)
    cost, cost_log_det = rounding(Logit(2), x, torch.float32)
    assert cost[0] == cost_log_det[0] == 0 < cost[1]


def test_an_error_may_be_as_large_as_the_cost_explains_and_no_larger():
    cost = torch.tensor([0.0, 0.0, 1e-3, torch.inf])
    limit, within = 1e-4, torch.tensor([1e-5, 1e-5, 1e-3, torch.inf])
    check = judged("", within, cost, limit, "rows")
    assert check.passed
    assert check.detail == "rows; inf as rounding explains in 2 of 4"
    beyond = torch.tensor([1e-5, 1e-5, 1.01e-3 + limit, 0.0])
    assert judged("", beyond, cost, limit, "").passed is False
    assert judged("", torch.tensor([2e-4, 0, 0, 0]), cost, limit, "").figure == torch.tensor(2e-4)
    assert judged("", torch.tensor([torch.nan, 0, 0, 0]), cost, limit, "").passed is False


def test_most_rows_must_be_right_whatever_rounding_explains():
    error = torch.tensor([1e-3, 1e-3, 0.0])
    assert judged("", error, torch.full((3,), 1.0), 1e-4, "").passed is False
    assert judged("", error[1:], torch.full((2,), 1.0), 1e-4, "").passed
