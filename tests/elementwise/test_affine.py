import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.elementwise import Affine
from rheon.errors import RheonError


@pytest.mark.parametrize(
    ("x", "t", "raw", "bound"),
    [(0.3, -1.2, 0.9, 3.0), (-7.5, 40.0, -1.4, 3.0), (1e3, 0.0, 3.0, 2.0), (-0.01, 1e-3, 1e-4, 0.5)],
)
def test_golden(x, t, raw, bound):
    with mpmath.workdps(50):
        s = mpf(bound) * mpmath.tanh(mpf(raw))
        y, x_back = mpmath.exp(s) * mpf(x) + mpf(t), (mpf(x) - mpf(t)) * mpmath.exp(-s)
    map_ = Affine(bound)
    params = torch.tensor([t, raw], dtype=torch.float64).view(1, 2, 1)
    at = torch.tensor([[x]], dtype=torch.float64)
    for (value, log_slope), (expected, expected_log) in (
        (map_(at, params), (y, s)),
        (map_.inverse(at, params), (x_back, -s)),
    ):
        assert value.item() == pytest.approx(float(expected), rel=1e-12)
        assert log_slope.item() == pytest.approx(float(expected_log), rel=1e-12)


def test_log_scale_stays_within_its_bound():
    params = torch.tensor([[0.0, -1e30], [0.0, 1e30]], dtype=torch.float64)[:, :, None]
    _, s = Affine(bound=2.5)(torch.ones(2, 1, dtype=torch.float64), params)
    assert s.flatten().tolist() == [-2.5, 2.5]


@pytest.mark.parametrize("bound", [0.0, -1.0, float("inf"), float("nan")])
def test_bound_must_be_positive(bound):
    with pytest.raises(RheonError, match="bound"):
        Affine(bound)
