"""The integral against masses that are known in closed form, and of trained flows against 1."""

import math

import numpy as np
import pytest
import torch

from rheon import RheonError
from rheon.architectures import nice, realnvp, spline_coupling
from rheon.bijections import Composition, Logit, LULinear, Scaling, Standardise
from rheon.distributions import StandardLogistic, StandardNormal
from rheon.evaluation import integral
from rheon.flow import Flow


def normal(*scales):
    scale = torch.tensor(scales, dtype=torch.float64)
    return lambda x: (-0.5 * (x / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)).sum(1)


@pytest.mark.parametrize(
    ("log_p", "bounds", "mass", "error"),
    [
        (normal(1.0), [(-9, 9)], 1.0, 1e-10),
        (normal(1.0), [(0, 9)], 0.5, 1e-10),
        (normal(1.0), [(-1, 2)], 0.8185946141203637, 1e-12),  # Φ(2) - Φ(-1)
        (normal(1.0, 3.0), [(-9, 9), (-27, 27)], 1.0, 1e-5),
        (normal(1.0, 3.0), [(-1, 2), (0, 27)], 0.8185946141203637 / 2, 1e-6),
        (lambda x: torch.zeros(len(x)), [(0, 3), (-2, 5)], 21.0, 1e-9),
        # An edge that no cell ends at: x < 1/3, and a disc.
        (lambda x: torch.where(x[:, 0] < 1 / 3, 0.0, -torch.inf), [(0, 1)], 1 / 3, 1e-6),
        (lambda x: torch.where(x.abs().sum(1) < 0.7, 0.0, -torch.inf), [(-1, 1), (-1, 1)], 0.98, 1e-4),
    ],
)
def test_functions(log_p, bounds, mass, error):
    assert integral(log_p, bounds) == pytest.approx(mass, abs=error)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("base", [StandardNormal, StandardLogistic])
@pytest.mark.parametrize(("dims", "error"), [(1, 1e-6), (2, 1e-4)])
def test_the_box_finds_the_mass_in_any_units(scale, base, dims, error):
    unit = Standardise(torch.full((dims,), 3.0), torch.full((dims,), scale))
    assert integral(Flow(unit, base(dims))) == pytest.approx(1, abs=error)


class Sinh(Scaling):
    """z = asinh(x / 1e-4) / 3: half of x lies within 2e-3 of 0, one in 100 beyond 0.1, some beyond 10."""

    def forward(self, x, context=None):
        return (x / 1e-4).asinh() / 3, -(3e-4 * (1 + (x / 1e-4) ** 2).sqrt()).log().sum(1)

    def inverse(self, z, context=None):
        x = 1e-4 * (3 * z).sinh()
        return x, -self.forward(x)[1]


class Ridge(Scaling):
    """z = (x_1, (x_2 - sin 3 x_1) / 0.01): a thin bent line."""

    def forward(self, x, context=None):
        z = torch.stack((x[:, 0], (x[:, 1] - (3 * x[:, 0]).sin()) / 0.01), 1)
        return z, torch.full_like(x[:, 0], -math.log(0.01))

    def inverse(self, z, context=None):
        x = torch.stack((z[:, 0], 0.01 * z[:, 1] + (3 * z[:, 0]).sin()), 1)
        return x, torch.full_like(x[:, 0], math.log(0.01))


def test_sharp_densities():
    assert integral(Flow(Sinh(1), StandardNormal(1))) == pytest.approx(1, abs=1e-5)
    assert integral(Flow(Ridge(2), StandardNormal(2))) == pytest.approx(1, abs=1e-3)


def test_a_quadrant_of_a_correlated_normal():
    flow = Flow(LULinear(2), StandardNormal(2))
    with torch.no_grad():  # z = x @ W.T with W = [[1, 0.5], [0, 1]]: x has correlation -0.5/√1.25
        flow.bijection.upper[0, 1] = 0.5
    quadrant = 0.25 + math.asin(-0.5 / math.sqrt(1.25)) / (2 * math.pi)
    assert integral(flow, [(0, 12), (0, 12)]) == pytest.approx(quadrant, abs=1e-5)


def test_a_logit_ends_where_it_ends():
    """Outside its domain log p is NaN and adds nothing; inside there is all of the mass."""
    flow = Flow(Composition([Logit(17), Scaling(2)]), StandardNormal(2))
    assert bool(flow.log_prob(torch.tensor([[30.0, 1.0]])).isnan())
    assert integral(flow, [(-3, 20), (-3, 20)]) == pytest.approx(1, abs=1e-4)
    assert integral(flow) == pytest.approx(1, abs=1e-4)


def test_each_condition_has_its_own_integral():
    flow = realnvp(2, couplings=2, hidden=(8,), context_features=1)
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    for c in (-2.0, 3.0):
        assert integral(flow, context=torch.tensor([c])) == pytest.approx(1, abs=1e-4)


def test_the_flow_stays_as_it_is(untouched_rng):
    flow = realnvp(2).train()
    weights = {name: value.clone() for name, value in flow.state_dict().items()}
    integral(flow)
    assert flow.training
    for name, value in flow.state_dict().items():
        assert value.dtype == weights[name].dtype
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize(
    ("density", "keywords", "what"),
    [
        (normal(1.0), {}, "bounds are needed"),
        (normal(1.0), {"bounds": [(1, 0)]}, "low < high"),
        (normal(1.0), {"bounds": [(0, math.inf)]}, "finite"),
        (normal(1.0), {"bounds": [(0, 1)] * 3}, "1 or 2 dimensions, got 3"),
        (realnvp(3), {}, "1 or 2 dimensions"),
        (lambda x: 50 * (1e4 * x[:, 0]).sin(), {"bounds": [(0, 1)], "max_points": 10_000}, "leave an error"),
    ],
)
def test_what_cannot_be_integrated_is_refused(density, keywords, what):
    with pytest.raises(RheonError, match=what):
        integral(density, **keywords)


def two_moons(n):
    rng = np.random.default_rng(0)
    angle, side = math.pi * rng.random(n), rng.integers(2, size=n)
    x = np.stack((np.cos(angle) * (1 - 2 * side) + side, np.sin(angle) * (1 - 2 * side) + side / 2), 1)
    return x + 0.05 * rng.normal(size=x.shape)


def three_peaks(n):
    rng = np.random.default_rng(0)
    k = rng.integers(3, size=(n, 1))
    return np.array([-2.0, 0.0, 5.0])[k] + np.array([0.5, 0.01, 1.0])[k] * rng.normal(size=(n, 1))


def trained(flow, rows, steps):
    x = torch.from_numpy(rows).float()
    order = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(flow.parameters(), 3e-3)
    for _ in range(steps):
        batch = x[torch.randint(len(x), (256,), generator=order)]
        loss = -flow(batch).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return flow.eval(), float(loss.detach())


@pytest.mark.parametrize("build", [nice, realnvp, spline_coupling])
def test_trained_in_one_dimension(build):
    flow, _ = trained(build(1), three_peaks(4000), 100)
    assert integral(flow) == pytest.approx(1, abs=1e-5)


def test_trained_in_two_dimensions():
    flow, loss = trained(spline_coupling(2, couplings=3, hidden=(32, 32)), two_moons(4000), 200)
    assert loss < 1.5  # a full Gaussian's is 1.9
    assert integral(flow) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("build", [nice, realnvp, spline_coupling])
def test_trained_long_in_two_dimensions(build):
    flow, _ = trained(build(2), two_moons(20_000), 600)
    assert integral(flow) == pytest.approx(1, abs=1e-3)
