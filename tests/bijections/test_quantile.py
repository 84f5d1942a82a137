"""QuantileMap: the curve that it is said to be, with tails that are those of the distributions named."""

from decimal import Decimal

import pytest
import torch
from scipy import stats

from rheon.bijections import QuantileMap
from rheon.errors import RheonError
from tests.contracts import quantile_map


def one(tail: float, knot: float = 2.0) -> QuantileMap:
    """The identity between ±knot, with this tail beyond."""
    ends = torch.tensor([[-knot, knot]], dtype=torch.float64)
    return QuantileMap(ends, ends, torch.ones_like(ends), torch.full_like(ends, tail))


def test_knots_go_to_their_images_with_their_slopes():
    f = quantile_map().double()
    for k in range(4):
        x = f.x[:, k][None].clone().requires_grad_()
        z, _ = f(x)
        torch.testing.assert_close(z[0], f.z[:, k])
        slopes = torch.autograd.grad(z.sum(), x)[0][0]
        torch.testing.assert_close(slopes, f.slopes[:, k])


def test_two_knots_and_normal_tails_are_a_straight_line():
    x = torch.linspace(-60, 60, 13, dtype=torch.float64)[:, None]
    torch.testing.assert_close(one(-1.0)(x)[0], x)


def test_a_pareto_tail_is_that_of_the_generalised_pareto_distribution():
    # exp(-z²/2) is the survival function that the tail is made of, φ(z) ~ z exp(-z²/2).
    shape, knot = 0.5, 2.0
    x = torch.tensor([[3.0], [10.0], [1e3], [1e6]], dtype=torch.float64)
    z, _ = one(shape)(x)
    survival = stats.genpareto.sf(x.numpy() - knot, shape, scale=1 / knot)
    expected = torch.from_numpy(survival * 1.0).log() - knot**2 / 2
    torch.testing.assert_close(-(z**2) / 2, expected)


@pytest.mark.parametrize("tail", [-4.0, -1.0, 0.0, 0.2, 1.0])
def test_any_number_has_a_finite_image_and_log_slope_and_further_is_less_likely(tail):
    x = torch.tensor([[2.0], [3.0], [70.0], [1e4], [1e30], [1e300]], dtype=torch.float64)
    for sign in (1, -1):
        z, log_det = one(tail)(sign * x)
        log_p = log_det - z[:, 0] ** 2 / 2
        assert torch.isfinite(log_p).all()
        assert (log_p.diff() < 0).all()
        back, _ = one(tail).inverse(z[:4])
        torch.testing.assert_close(back, sign * x[:4], rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("x", "z", "slopes", "tails", "told"),
    [
        ([[0.0]], [[0.0]], [[1.0]], [[0.0, 0.0]], "shape"),
        ([[-1.0, 1.0]], [[-1.0, 1.0]], [[1.0, 1.0]], [[0.0]], "tails"),
        ([[1.0, -1.0]], [[-1.0, 1.0]], [[1.0, 1.0]], [[0.0, 0.0]], "rise"),
        ([[-1.0, 1.0]], [[1.0, 2.0]], [[1.0, 1.0]], [[0.0, 0.0]], "below"),
        ([[-1.0, 1.0]], [[-1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], "positive"),
        ([[-1.0, 1.0]], [[-1.0, 1.0]], [[1.0, 1.0]], [[0.0, float("nan")]], "finite"),
        ([[-1.0, 1.0, 1.0]], [[-1.0, 1.0, 2.0]], [[1.0, 1.0, 1.0]], [[0.0, 0.0]], "rise"),
    ],
)
def test_what_is_no_such_curve_is_refused(x, z, slopes, tails, told):
    with pytest.raises(RheonError, match=told):
        QuantileMap(*(torch.tensor(part) for part in (x, z, slopes, tails)))


def test_a_value_has_the_same_bits_wherever_it_stands():
    # 3,001 values, some of them in the tails: a row's bits must not depend on how many others are.
    x = 3 * torch.randn(3001, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = quantile_map().double()
    z, log_det = f(x)
    for start, stop in ((0, 64), (5, 133), (64, 2112)):
        part, part_log_det = f(x[start:stop])
        assert torch.equal(part, z[start:stop])
        assert torch.equal(part_log_det, log_det[start:stop])


def test_knots_that_are_worlds_apart_have_finite_slopes():
    """A secant of 1e-250 beside one of 1: their squares are no numbers in float64, they are in decimals."""
    x = torch.tensor([[-1e250, -1.0, 0.0, 1.0]], dtype=torch.float64)
    z = torch.tensor([[-2.0, -1.0, 0.0, 1.0]], dtype=torch.float64)
    slopes = torch.tensor([[1e-250, 1e-125, 1.0, 1.0]], dtype=torch.float64)
    at = torch.tensor([[-9e249], [-5e249], [-1e249], [-1e240]], dtype=torch.float64)
    _, log_det = QuantileMap(x, z, slopes, -torch.ones(1, 2, dtype=torch.float64))(at)
    sigma, d0, d1 = (Decimal(10) ** power for power in (-250, -250, -125))
    for value, told in zip(at[:, 0].tolist(), log_det.tolist(), strict=True):
        xi = 1 + Decimal(value) * sigma
        rest = xi * (1 - xi)
        slope = d1 * xi**2 + 2 * sigma * rest + d0 * (1 - xi) ** 2
        expected = (sigma / (sigma + (d0 + d1 - 2 * sigma) * rest)) ** 2 * slope
        assert told == pytest.approx(float(expected.ln()), abs=1e-5)
