import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.elementwise import MixtureOfLogistics
from rheon.errors import RheonError
from tests.contracts import noise

GAINS = (-0.5, 1)  # of the two means: signs alternate, sizes evenly spaced from ½ to 1


def mixture(x: mpf, params: list[float], gains: list[float], bound: float) -> tuple[mpf, mpf]:
    """y and log dy/dx in 50 digits from F, 1 - F and F' as they are defined, K = 2, μ = gain · ψ."""
    raw_t, raw_s, *rest = (mpf(p) for p in params)
    s = mpf(bound) * mpmath.tanh(raw_s)
    exps = [mpmath.exp(w) for w in rest[:2]]
    weights = [e / mpmath.fsum(exps) for e in exps]
    means = [gain * m for gain, m in zip(gains, rest[2:4], strict=True)]
    scales = [mpmath.exp(mpf(bound) * mpmath.tanh(c / mpf(bound))) for c in rest[4:]]
    u = [(x - mu) / scale for mu, scale in zip(means, scales, strict=True)]
    cdf = mpmath.fsum(w / (1 + mpmath.exp(-v)) for w, v in zip(weights, u, strict=True))
    rest_cdf = mpmath.fsum(w / (1 + mpmath.exp(v)) for w, v in zip(weights, u, strict=True))
    pdf = mpmath.fsum(
        w / (scale * (1 + mpmath.exp(-v)) * (1 + mpmath.exp(v)))
        for w, v, scale in zip(weights, u, scales, strict=True)
    )
    y = mpmath.exp(s) * mpmath.log(cdf / rest_cdf) + raw_t
    return y, s + mpmath.log(pdf / (cdf * rest_cdf))


PARAMS = [0.7, -0.4, 0.3, -0.9, -1.1, 0.8, 0.5, -0.6]


@pytest.mark.parametrize("x", [-0.9, 0.0, 0.31, 2.4, 7.0, -12.0, 60.0, -300.0])
def test_golden(x):
    map_ = MixtureOfLogistics(components=2, bound=3.0)
    with mpmath.workdps(50):
        expected = [float(v) for v in mixture(mpf(x), PARAMS, map_.gains.tolist(), 3.0)]
    params = torch.tensor(PARAMS, dtype=torch.float64).view(1, 8, 1)
    y, log_slope = map_(torch.tensor([[x]], dtype=torch.float64), params)
    assert [y.item(), log_slope.item()] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    back, log_back = map_.inverse(torch.tensor([[expected[0]]], dtype=torch.float64), params)
    assert [back.item(), -log_back.item()] == pytest.approx([x, expected[1]], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("scale", [2.0, 10.0, 100.0])
def test_inverse_solves_the_equation_whatever_the_parameters(scale):
    # Plateaus between distant narrow components amplify any rounding of y in x, so it is f(f⁻¹(y)) that must
    # come back. The components lie within 5 · scale, and so do most of the y: some come from the plateaus.
    map_ = MixtureOfLogistics(components=4)
    rows = 20_000
    params = scale * noise(rows, map_.num_params, 1, seed=2)
    y, _ = map_(scale * noise(rows, 1, seed=3), params)
    x, log_slope = map_.inverse(y, params)
    assert x.isfinite().all()
    assert log_slope.isfinite().all()
    torch.testing.assert_close(map_(x, params)[0], y, rtol=1e-9, atol=1e-9)


def test_inverse_does_not_run_in_a_circle():
    # From the middle of the bracket Newton's steps go to the other side of the root and back, for ever.
    map_ = MixtureOfLogistics(components=4)
    means = torch.tensor([-3.4175, 0.1343, -0.4874, 2.1677]) / map_.gains
    weights, scales = torch.tensor([[-1.6188, 0.5776, -1.6827, -0.3058], [-2.4449, 0.8066, 4.4339, -1.4961]])
    params = torch.cat((torch.zeros(2), weights, means, scales)).double().view(1, 14, 1)
    y = torch.linspace(0.85, 0.95, 1001, dtype=torch.float64)[:, None]
    x, _ = map_.inverse(y, params.expand(len(y), 14, 1))
    torch.testing.assert_close(map_(x, params.expand(len(y), 14, 1))[0], y, rtol=1e-11, atol=1e-11)


def test_inverse_on_a_plateau_stays_between_the_components():
    # Components at ±10 with e^c = 0.05: F is ½ to e^-200 all the way between, and any x there answers y = 0.
    params = torch.tensor([0, 0, 0, 0, 10, 10, -50, -50], dtype=torch.float64).view(1, 8, 1)
    params = params.expand(5, 8, 1)
    y = torch.tensor([[0.0], [1e-12], [-1e-9], [1e-4], [-2.0]], dtype=torch.float64)
    map_ = MixtureOfLogistics(components=2)
    x, log_slope = map_.inverse(y, params)
    assert (x.abs() < 11).all()
    assert log_slope.isfinite().all()
    torch.testing.assert_close(map_(x, params)[0], y, rtol=1e-10, atol=1e-14)


def test_a_row_is_inverted_alike_whatever_its_batch():
    map_ = MixtureOfLogistics(components=4)
    params, y = 2 * noise(500, 14, 1, seed=2), 3 * noise(500, 1, seed=3)
    together, _ = map_.inverse(y, params)
    alone = torch.cat([map_.inverse(y[i : i + 1], params[i : i + 1])[0] for i in range(0, 500, 10)])
    torch.testing.assert_close(together[::10], alone, rtol=1e-10, atol=1e-10)


def test_one_component_is_affine():
    # F is a single logistic, whose logit is linear: exact inverse known in closed form.
    map_ = MixtureOfLogistics(components=1)
    params = noise(50, 5, 2)
    x = torch.linspace(-1e5, 1e5, 50, dtype=torch.float64)[:, None].expand(50, 2)
    y, log_slope = map_(x, params)
    slope = (map_(x + 1, params)[0] - y).log()
    torch.testing.assert_close(log_slope, slope, rtol=0, atol=1e-8)


def test_every_component_can_learn_its_own_mean():
    # From ψ = 0, where all components coincide, each mean must get a gradient, and not all the same one.
    for components in (2, 3, 4, 5):
        map_ = MixtureOfLogistics(components)
        params = torch.zeros(1, map_.num_params, 1, dtype=torch.float64, requires_grad=True)
        y, _ = map_(torch.tensor([[0.4]], dtype=torch.float64), params)
        (gradient,) = torch.autograd.grad(y.sum(), params)
        means = gradient[0, 2 + components : 2 + 2 * components, 0]
        assert (means != 0).all()
        assert len(set(means.tolist())) == components


@pytest.mark.parametrize("components", [0, -1])
def test_components_must_be_positive(components):
    with pytest.raises(RheonError, match="components"):
        MixtureOfLogistics(components)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan")])
def test_bound_must_be_positive(bound):
    with pytest.raises(RheonError, match="bound"):
        MixtureOfLogistics(2, bound)
