from itertools import pairwise

import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.elementwise import RationalQuadraticSpline
from rheon.errors import RheonError
from tests.contracts import noise

MIN_BIN = MIN_SLOPE = mpf("0.001")


def knots(params: list[float], bins: int, bound: float) -> tuple[list, list, list]:
    """x knots, y knots and slopes in 50 digits, from the definition."""
    raw = [mpf(p) for p in params]

    def edges(part: list) -> list:
        exps = [mpmath.exp(r) for r in part]
        shares = [MIN_BIN + (1 - MIN_BIN * bins) * e / mpmath.fsum(exps) for e in exps]
        return [2 * mpf(bound) * mpmath.fsum(shares[:k]) - mpf(bound) for k in range(bins + 1)]

    offset = mpmath.log(mpmath.expm1(1 - MIN_SLOPE))
    inner = [MIN_SLOPE + mpmath.log(1 + mpmath.exp(r + offset)) for r in raw[2 * bins :]]
    return edges(raw[:bins]), edges(raw[bins : 2 * bins]), [mpf(1), *inner, mpf(1)]


def spline(x: mpf, params: list[float], bins: int, bound: float) -> mpf:
    """y in 50 digits: the interpolant of Gregory and Delbourgo between the two knots around x."""
    if abs(x) >= bound:
        return x
    xs, ys, slopes = knots(params, bins, bound)
    k = next(i for i, (low, high) in enumerate(pairwise(xs)) if low <= x < high)
    w, h = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
    s, xi = h / w, (x - xs[k]) / w
    numerator = h * (s * xi**2 + slopes[k] * xi * (1 - xi))
    return ys[k] + numerator / (s + (slopes[k + 1] + slopes[k] - 2 * s) * xi * (1 - xi))


PARAMS = [0.4, -0.3, 0.9, 0.1, -0.7, 0.2, 1.1, -0.5, 0.6, -1.2, 0.3]  # 4 bins: 4 widths, 4 heights, 3 slopes


@pytest.mark.parametrize("x", [-1.99, -1.3, -0.62, 0.0, 0.017, 0.8, 1.5, 1.999, 2.0, -2.0, 2.5, -77.0])
def test_golden(x):
    with mpmath.workdps(50):
        y = spline(mpf(x), PARAMS, 4, 2.0)
        slope = mpmath.diff(lambda v: spline(v, PARAMS, 4, 2.0), mpf(x)) if abs(x) != 2 else mpf(1)
        expected = [float(y), float(mpmath.log(slope))]
    params = torch.tensor(PARAMS, dtype=torch.float64).view(1, 11, 1)
    map_ = RationalQuadraticSpline(bins=4, bound=2.0)
    got, log_slope = map_(torch.tensor([[x]], dtype=torch.float64), params)
    assert [got.item(), log_slope.item()] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    back, log_back = map_.inverse(torch.tensor([[expected[0]]], dtype=torch.float64), params)
    assert [back.item(), -log_back.item()] == pytest.approx([x, expected[1]], rel=1e-12, abs=1e-12)


def test_knots_are_where_the_definition_puts_them():
    with mpmath.workdps(50):
        xs, ys, slopes = ([float(v) for v in part] for part in knots(PARAMS, 4, 2.0))
    params = torch.tensor(PARAMS, dtype=torch.float64).view(1, 11, 1)
    x = torch.tensor([xs[1:-1]], dtype=torch.float64)
    y, log_slope = RationalQuadraticSpline(4, 2.0)(x, params.expand(1, 11, 3))
    assert y[0].tolist() == pytest.approx(ys[1:-1], abs=1e-13)
    assert log_slope[0].exp().tolist() == pytest.approx(slopes[1:-1], rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_linear_tails_begin_at_the_bound(dtype):
    # At ±bound and beyond: the same bits, slope exactly 1. One step inside: on, with no jump.
    bound = 5.0
    map_ = RationalQuadraticSpline(bins=8, bound=bound)
    end = torch.tensor(bound, dtype=dtype)
    inside = torch.nextafter(end, torch.zeros_like(end))
    x = torch.stack((end, -end, torch.nextafter(end, 2 * end), -1e3 * end, inside, -inside))
    x = x[:, None].expand(-1, 200)
    params = noise(1, 23, 200, dtype=dtype).expand(6, -1, -1)
    for direction in (map_, map_.inverse):
        y, log_slope = direction(x, params)
        assert torch.equal(y[:4], x[:4])
        assert not log_slope[:4].any()
        step = torch.finfo(dtype).eps * 20
        torch.testing.assert_close(y[4:], x[4:], rtol=step, atol=0)
        assert (y[4:].abs() <= bound).all()
        # The slope is continuous: one step from the end it is off 1 by the curvature, and by rounding, only.
        assert (log_slope[4:].abs() < torch.finfo(dtype).eps * 1e5).all()


@pytest.mark.parametrize(
    ("dtype", "scale", "tolerance"),
    [(torch.float64, 30.0, 1e-9), (torch.float64, 1000.0, 1e-9), (torch.float32, 30.0, 2e-3)],
    ids=str,
)
def test_extreme_parameters_stay_monotone_and_invertible(dtype, scale, tolerance):
    # The narrowest bins and the flattest slopes: the inverse may amplify rounding, but stays in the interval
    # and what it gives maps back to y.
    map_ = RationalQuadraticSpline(bins=8, bound=5.0)
    params = scale * noise(1, 23, 100, dtype=dtype).expand(101, -1, -1)
    x = torch.linspace(-6, 6, 101, dtype=dtype)[:, None].expand(-1, 100)
    y, log_slope = map_(x, params)
    assert (y.diff(dim=0) >= 0).all()
    assert log_slope.isfinite().all()
    back, log_back = map_.inverse(x, params)
    assert (back.diff(dim=0) >= 0).all()
    assert log_back.isfinite().all()
    assert (back.abs() <= x.abs().clamp_min(5.0)).all()
    torch.testing.assert_close(map_(back, params)[0], x, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("x", [1e30, -1e30, 5.0, -5.0, 6.0])
def test_gradients_beyond_the_bound_are_those_of_the_identity(x, dtype):
    # The branch that is not taken is computed too: what overflows there must not come back as 0 · ∞.
    map_ = RationalQuadraticSpline(bins=8, bound=5.0)
    for direction in (map_, map_.inverse):
        at = torch.full((3, 1), x, dtype=dtype, requires_grad=True)
        params = noise(3, 23, 1, dtype=dtype).requires_grad_()
        y, log_slope = direction(at, params)
        (y.sum() + log_slope.sum()).backward()
        assert torch.equal(at.grad, torch.ones_like(at))
        assert not params.grad.any()


@pytest.mark.parametrize("bins", [1, 0, -3, 1000, 10**9])
def test_bins_that_do_not_fit_are_refused(bins):
    with pytest.raises(RheonError, match="bins must be from 2 to 999"):
        RationalQuadraticSpline(bins)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("inf"), float("nan")])
def test_bound_must_be_positive(bound):
    with pytest.raises(RheonError, match="bound"):
        RationalQuadraticSpline(8, bound)


def ways(
    bins: int, bound: float, dtype: torch.dtype
) -> tuple[RationalQuadraticSpline, torch.Tensor, torch.Tensor]:
    map_ = RationalQuadraticSpline(bins, bound)
    x = (1.5 * noise(200, 4, dtype=dtype)).requires_grad_()
    return map_, x, (1.5 * noise(200, map_.num_params, 4, seed=2, dtype=dtype)).requires_grad_()


@pytest.mark.parametrize("first", [False, True], ids=["rows first", "batch last in memory"])
@pytest.mark.parametrize("bins", [2, 7])
def test_the_one_node_gives_what_the_plain_computation_gives(bins, first):
    map_, x, params = ways(bins, 2.0, torch.float64)
    if first:
        params = params.detach().permute(1, 2, 0).contiguous().permute(2, 0, 1).requires_grad_()
    by_y, by_l = noise(200, 4, seed=3), noise(200, 4, seed=4)
    found = []
    for way in (map_, map_.plain):
        y, log_slope = way(x, params)
        found.append((y, log_slope, *torch.autograd.grad((by_y * y + by_l * log_slope).sum(), (x, params))))
    for one_node, plain in zip(*found, strict=True):
        torch.testing.assert_close(one_node, plain, rtol=1e-9, atol=1e-10)


def test_the_one_node_can_be_derived_twice():
    map_, x, params = ways(3, 2.0, torch.float64)
    assert torch.autograd.gradgradcheck(map_, (x[:3], params[:3]))
    assert torch.autograd.gradcheck(map_, (x[:3], params[:3]))


def test_parameters_that_are_no_numbers_give_no_number():
    map_, x, params = ways(3, 2.0, torch.float32)
    _, log_slope = map_(x.detach(), torch.full_like(params, torch.nan))
    assert log_slope.isnan().all()
