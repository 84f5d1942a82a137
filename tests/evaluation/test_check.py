"""What check_flow promises: it passes sound flows, leaves everything as it was and says what it did."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from rheon import RheonError
from rheon.architectures import multiscale_realnvp, nice, realnvp, spline_coupling
from rheon.bijections import (
    BatchNorm,
    Bijection,
    Composition,
    Coupling,
    Flatten,
    InvertibleConv1x1,
    Logit,
    LULinear,
    Scaling,
    Standardise,
)
from rheon.conditioners import MLP
from rheon.distributions import Base, StandardLogistic, StandardNormal
from rheon.elementwise import MixtureOfLogistics
from rheon.evaluation import check_flow
from rheon.flow import Flow
from rheon.partitions import Halves


def names(report, passed):
    return {check.name for check in report.checks if check.passed is passed}


SOUND = {
    "nice": lambda: nice(2),
    "realnvp in one dimension": lambda: realnvp(1, couplings=2),
    "splines": lambda: spline_coupling(3, couplings=2),
    "conditional": lambda: spline_coupling(2, couplings=2, context_features=2),
    "conditional, D = 5": lambda: realnvp(5, couplings=2, context_features=2),
    "images": lambda: multiscale_realnvp((1, 8, 8), levels=2, width=8, blocks=1),
    "conditional images": lambda: multiscale_realnvp(
        (2, 4, 4), levels=1, width=8, blocks=1, context_features=3
    ),
    "flat images": lambda: nice((1, 4, 4), hidden=(16,)),
    "mixture": lambda: Flow(Coupling(Halves(), MixtureOfLogistics(2), MLP(1, 8)), StandardNormal(2)),
    "logit": lambda: Flow(Composition([Logit(17), Scaling(2)]), StandardNormal(2)),
    "logistic base": lambda: Flow(LULinear(4, seed=1), StandardLogistic(4)),
    "batch norm": lambda: Flow(Composition([BatchNorm(3), LULinear(3)]), StandardNormal(3)),
    "float64": lambda: realnvp(2, couplings=2).double(),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_flows_pass(name):
    report = check_flow(SOUND[name]())
    report.raise_if_failed()
    assert names(report, None) <= {"training and evaluation mode"}, report


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sound_flows_pass_whatever_the_seed(seed):
    check_flow(spline_coupling(2, couplings=2, seed=seed), seed=seed).raise_if_failed()
    check_flow(spline_coupling(4, couplings=2, seed=seed), seed=seed).raise_if_failed()


def test_one_seed_gives_one_report():
    flow = realnvp(2, couplings=2)
    assert check_flow(flow, seed=5) == check_flow(flow, seed=5)


@pytest.mark.usefixtures("untouched_rng")
def test_the_flow_and_the_process_stay_as_they_were():
    flow = realnvp(3, couplings=2).train()
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    versions = [value._version for value in flow.parameters()]
    threads = torch.get_num_threads()
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    x_before = x.clone()
    check_flow(flow, x)
    assert flow.training
    assert all(torch.equal(value, before[name]) for name, value in flow.state_dict().items())
    assert [value._version for value in flow.parameters()] == versions
    assert all(value.grad is None for value in flow.parameters())
    assert torch.equal(x, x_before)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def test_it_works_where_gradients_are_off():
    with torch.inference_mode():
        assert check_flow(realnvp(2, couplings=2)).passed


def test_global_generators_are_handed_back_even_where_the_flow_uses_them():
    class Careless(Flow):
        def sample(self, n, context=None, temperature=1.0, generator=None):
            torch.randn(1), np.random.rand()  # noqa: NPY002
            return super().sample(n, context, temperature, generator)

    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    report = check_flow(Careless(Scaling(2), StandardNormal(2)))
    assert names(report, False) == {"no side effects"}
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


def test_trained_weights_are_taken_as_they_are():
    flow = realnvp(2, couplings=2)
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(0.1)
    assert check_flow(flow).note == ""
    assert "at rest" in check_flow(realnvp(2, couplings=2)).note


def test_a_bare_bijection_is_tried_on_rows():
    report = check_flow(InvertibleConv1x1(2, seed=1), x=torch.rand(30, 2, 3, 3))
    report.raise_if_failed()
    assert "log-det against autograd" in names(report, True)
    check_flow(Flatten((2, 3)), x=torch.rand(30, 2, 3)).raise_if_failed()
    with pytest.raises(RheonError, match=r"Scaling has no event_shape: give x"):
        check_flow(Scaling(3))


def test_a_bijection_that_knows_its_shape_needs_no_rows():
    layer = Flatten((2, 2))
    assert check_flow(layer).passed


@pytest.mark.parametrize(
    ("keywords", "what"),
    [
        ({"x": torch.zeros(5, 3)}, "x must be rows of shape"),
        ({"x": torch.zeros(0, 2)}, "at least one"),
        ({"x": torch.full((5, 2), torch.nan)}, "not finite"),
        ({"context": torch.zeros(5, 1)}, "context must have shape"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(keywords, what):
    with pytest.raises(RheonError, match=what):
        check_flow(realnvp(2, couplings=2), **keywords)


def test_only_flows_are_taken():
    with pytest.raises(RheonError, match="takes a Flow or a Bijection, got Linear"):
        check_flow(nn.Linear(2, 2))


@pytest.mark.parametrize("conditions", [torch.tensor([1.0, 2.0]), torch.randn(7, 2), torch.randn(400, 2)])
def test_conditions_are_spread_over_the_rows(conditions):
    flow = realnvp(2, couplings=1, hidden=(8,), context_features=2)
    assert check_flow(flow, context=conditions).passed
    assert check_flow(flow, x=torch.randn(400, 2), context=conditions).passed


def test_what_a_layer_raises_is_a_failed_check():
    class OneWay(Scaling):
        def inverse(self, z, context=None):
            raise NotImplementedError("no inverse yet")

    report = check_flow(OneWay(2), x=torch.randn(20, 2))
    assert [check.name for check in report.failures] == ["shapes"]
    assert "NotImplementedError: no inverse yet" in str(report)


def test_wrong_shapes_end_the_battery():
    class OneNumber(Scaling):
        def forward(self, x, context=None):
            z, log_det = super().forward(x)
            return z, log_det.mean()

    report = check_flow(OneNumber(2), x=torch.randn(20, 2))
    assert names(report, False) == {"shapes and dtypes"}
    assert "log_det of forward is torch.float64 (), not torch.float64 (20,)" in str(report)


def test_a_jacobian_that_would_take_too_long_is_left_out():
    report = check_flow(nice((1, 16, 16), hidden=(8,)), seconds=0.0)
    assert report.passed
    assert names(report, None) == {"log-det against autograd"}
    assert "256×256 Jacobian would take about" in str(report)


def test_units_that_single_precision_cannot_hold_are_seen():
    """x = 1e6 ± 1: float32 has steps of 0.06 there."""
    far = Standardise(torch.full((2,), 1e6), torch.ones(2))
    report = check_flow(Flow(far, StandardNormal(2)))
    assert names(report, False) == {"round trip in float32"}
    assert check_flow(Flow(far, StandardNormal(2)).double()).passed


def test_latents_that_leave_the_floats_are_seen():
    class Steep(Bijection):
        """z = asinh(x e^-300): x = ±e^(300 + 12 σ) is finite, its square is not."""

        def forward(self, x, context=None):
            u = x * math.exp(-300)
            return u.asinh(), -(0.5 * (1 + u * u).log() + 300).sum(1)

        def inverse(self, z, context=None):
            x = (60 * z).sinh() * math.exp(300)
            return x, -self.forward(x)[1]

    report = check_flow(Steep(), x=torch.randn(20, 1).double())
    assert "finite at ±12 σ" in names(report, False)


def test_a_base_that_is_not_independent_is_left_out_and_one_that_varies_is_not():
    class Scaled(Base):
        """Normal scalars, each with its own place and scale."""

        def __init__(self, place, scale):
            super().__init__(len(place))
            self.register_buffer("place", place)
            self.register_buffer("scale", scale)
            self.unit = StandardNormal(len(place))

        def log_prob(self, z, context=None):
            return self.unit.log_prob((z - self.place) / self.scale) - self.scale.log().sum()

        def sample(self, n, context=None, temperature=1.0, generator=None):
            return self.place + self.scale * self.unit.sample(n, None, temperature, generator)

    class Pair(StandardNormal):
        """Two components."""

        def log_prob(self, z, context=None):
            return torch.logaddexp(super().log_prob(z - 1), super().log_prob(z + 1)) - math.log(2)

        def sample(self, n, context=None, temperature=1.0, generator=None):
            z = super().sample(n, None, temperature, generator)
            side = torch.rand(n, 1, generator=generator, dtype=z.dtype) < 0.5
            return torch.where(side, z + 1, z - 1)

    bases = {"base integrates to 1", "latents of samples"}
    base = Scaled(torch.linspace(-100, 100, 10), torch.logspace(-5, 5, 10))
    report = check_flow(Flow(LULinear(10), base.double()).double())
    assert bases <= names(report, True), report
    report = check_flow(Flow(Scaling(9), Pair(9)))
    assert bases == names(report, None), report
