import copy
import math

import pytest
import torch
from torch import nn

from benchmarks.memory import WAYS, flows, loss_of, peak
from rheon.bijections import ActNorm, Bijection, Composition, Coupling, FactorOut, LULinear, Permutation
from rheon.conditioners import MLP
from rheon.elementwise import Affine, RationalQuadraticSpline
from rheon.errors import RheonError
from rheon.fused import Fused
from rheon.memory import Checkpointed, Rebuilt
from rheon.partitions import Halves
from tests.contracts import ARCHITECTURES, BIG_ARCHITECTURES, BIJECTIONS, M, events, noise, perturbed

BOTH = pytest.mark.parametrize("way", [Checkpointed, Rebuilt])


def derivatives(f, x, context=None):
    """z, log|det| and the derivatives of a loss by x, context and weights."""
    inputs = [tensor.clone().requires_grad_() for tensor in (x, context) if tensor is not None]
    z, log_det = f(*inputs)
    weights = torch.linspace(0.5, 1.5, len(x), dtype=x.dtype)
    loss = z.sin().sum() + z.square().sum() + (weights * log_det).square().sum()
    found = torch.autograd.grad(loss, inputs + list(f.parameters()))
    return z.detach(), log_det.detach(), *found


def buffers(f):
    return [buffer.clone() for buffer in f.buffers()]


def check(way, f, x, context=None, tolerance=1e-9):
    """The same values, derivatives and running statistics as by f, in training mode."""
    f.train()
    with torch.no_grad():
        f(x, context)  # sets the norms
    before = copy.deepcopy(f.state_dict())
    plain = _unfused(f)
    expected, expected_buffers = derivatives(plain, x, context), buffers(f)
    f.load_state_dict(before)
    got = derivatives(way(f), x, context)
    for one, wanted in zip(buffers(f), expected_buffers, strict=True):
        assert torch.equal(one, wanted)
    for one, wanted in zip(got, expected, strict=True):
        if way is Checkpointed:
            assert torch.equal(one, wanted)
        else:
            largest = float(wanted.abs().max()) if wanted.numel() else 0.0
            torch.testing.assert_close(one, wanted, rtol=0, atol=tolerance * max(largest, 1e-30))


def _unfused(f):
    return f.composition if isinstance(f, Fused) else f


@BOTH
@pytest.mark.parametrize("name", BIJECTIONS)
def test_every_bijection_keeps_its_values_and_derivatives(way, name):
    case = BIJECTIONS[name]
    check(way, case.bijection(), case.x(5), case.given(5))


@BOTH
@pytest.mark.parametrize("context", [0, M], ids=["", "given a context"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_keeps_its_values_and_derivatives(way, name, context):
    made = perturbed(ARCHITECTURES[name](context_features=context), scale=0.1)
    given = noise(5, context, seed=4) if context else None
    check(way, made.bijection, events(made, 5), given)


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize("name", BIG_ARCHITECTURES)
def test_every_big_architecture_keeps_its_values_and_derivatives(way, name):
    made = perturbed(BIG_ARCHITECTURES[name](), scale=0.05)
    check(way, made.bijection, events(made, 3))


@pytest.mark.parametrize("context", [0, M], ids=["", "given a context"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rebuilt_in_float32(name, context):
    made = perturbed(ARCHITECTURES[name](context_features=context), scale=0.1).float()
    given = noise(5, context, seed=4, dtype=torch.float32) if context else None
    check(Rebuilt, made.bijection, events(made, 5, dtype=torch.float32), given, tolerance=1e-4)


def test_the_one_node_of_small_stacks_rebuilds_too():
    made = perturbed(ARCHITECTURES["realnvp"](), scale=0.1).float()
    x = noise(5, 5, dtype=torch.float32)
    assert made.bijection.fits(x)
    expected = derivatives(made.bijection, x)
    for got, wanted in zip(derivatives(Rebuilt(made.bijection), x), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


class Dropping(nn.Module):
    """A conditioner that draws random numbers and moves running statistics."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, outputs)
        )

    def forward(self, x_a, context=None):
        return 0.1 * self.layers(x_a)


def dropping(couplings=3):
    parts = [Halves(), Halves().swapped()] * couplings
    return Composition([Coupling(part, Affine(), Dropping(2, 4)) for part in parts[:couplings]]).double()


@BOTH
def test_what_a_layer_draws_it_draws_again(way):
    f, x = dropping(), noise(20, 4)
    before = copy.deepcopy(f.state_dict())
    runs = []
    for g in (f, way(f)):
        f.load_state_dict(before)
        torch.manual_seed(3)
        runs.append((derivatives(g, x), buffers(f), torch.rand(3)))
    for got, expected in zip(runs[1][0], runs[0][0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    for got, expected in zip(runs[1][1], runs[0][1], strict=True):
        assert torch.equal(got, expected), "the running statistics moved twice"
    assert torch.equal(runs[1][2], runs[0][2]), "the global generator is elsewhere"


class Stretched(Affine):
    """An elementwise map with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, x, params):
        y, log_dy = super().forward(x * self.scale, params)
        return y, log_dy + self.scale.log()

    def inverse(self, y, params):
        x, log_dx = super().inverse(y, params)
        return x / self.scale, log_dx - self.scale.log()


class Doubled(Affine):
    """An elementwise map that changes what it inherits."""

    def forward(self, x, params):
        y, log_dy = super().forward(2 * x, params)
        return y, log_dy + math.log(2)

    def inverse(self, y, params):
        x, log_dx = super().inverse(y, params)
        return x / 2, log_dx - math.log(2)


@pytest.mark.parametrize("map_", [Stretched, Doubled])
def test_maps_of_ones_own_have_their_derivatives(map_):
    f = Composition([Coupling(part, map_(), MLP(2, 4)) for part in (Halves(), Halves().swapped())])
    check(Rebuilt, perturbed(f, 0.3), noise(20, 4))


def test_what_is_frozen_and_what_depends_on_nothing():
    constant = Coupling(Halves(), RationalQuadraticSpline(4), MLP(0, 11))
    f = perturbed(Composition([constant, LULinear(1, 2)]), 0.3)
    for frozen in (f.bijections[1].lower, constant.conditioner.theta):
        frozen.requires_grad_(False)
        x = noise(20, 1)
        weights = [p for p in f.parameters() if p.requires_grad]
        expected = torch.autograd.grad(sum(part.sum() for part in f(x)), weights)
        got = torch.autograd.grad(sum(part.sum() for part in Rebuilt(f)(x)), weights)
        for one, wanted in zip(got, expected, strict=True):
            torch.testing.assert_close(one, wanted, rtol=1e-9, atol=1e-12)


class Forgetful(Bijection):
    """A layer whose inverse is wrong."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, x, context=None):
        return x * self.scale, self.scale.log() * x.shape[1] + x.new_zeros(len(x))

    def inverse(self, z, context=None):
        return z / self.scale + 0.01, -self.scale.log() * z.shape[1] + z.new_zeros(len(z))


def test_a_wrong_inverse_is_seen_and_does_no_harm():
    f, x = Composition([*dropping(2).bijections, Forgetful()]), noise(20, 4)
    before = copy.deepcopy(f.state_dict())
    torch.manual_seed(3)
    expected = derivatives(f, x)
    expected_buffers = buffers(f)
    f.load_state_dict(before)
    torch.manual_seed(3)
    with pytest.warns(RuntimeWarning, match="give x back with an error of 0.0"):
        got = derivatives(Rebuilt(f), x)
    for one, wanted in zip(got, expected, strict=True):
        assert torch.equal(one, wanted)
    for one, wanted in zip(buffers(f), expected_buffers, strict=True):
        assert torch.equal(one, wanted)


def test_ill_conditioned_layers_of_the_one_node_are_seen_too():
    made = perturbed(ARCHITECTURES["realnvp"](), scale=0.1).float()
    made.bijection.composition.bijections[0].log_scale.data[0] = -40.0
    x = 1e3 * noise(5, 5, dtype=torch.float32)
    expected = derivatives(made.bijection, x)
    with pytest.warns(RuntimeWarning, match="give x back"):
        got = derivatives(Rebuilt(made.bijection), x)
    for one, wanted in zip(got, expected, strict=True):
        torch.testing.assert_close(one, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_is_left_to_the_caller():
    f, x = perturbed(ARCHITECTURES["spline"](), scale=0.1).bijection, noise(5, 5)
    x[0, 0] = float("nan")
    loss = Rebuilt(f)(x)[1].sum()
    assert loss.isnan()
    loss.backward()


@BOTH
def test_some_weights_may_be_frozen(way):
    f, x = perturbed(ARCHITECTURES["multiscale"](), scale=0.1).bijection, noise(3, 1, 8, 8)
    *frozen, last = f.parameters()
    for parameter in frozen:
        parameter.requires_grad_(False)
    expected = torch.autograd.grad(f(x)[1].sum(), last)
    way(f)(x)[1].sum().backward()
    torch.testing.assert_close(last.grad, expected[0])
    assert all(parameter.grad is None for parameter in frozen)


@BOTH
def test_the_inverse_and_what_needs_no_graph_are_f_itself(way):
    case = BIJECTIONS["two factor-outs of an image"]
    f, x = case.bijection(), case.x(3)
    view = way(f)
    with torch.no_grad():
        z, log_det = view(x)
    assert not z.requires_grad
    for got, expected in zip((z, log_det), f(x), strict=True):
        assert torch.equal(got, expected)
    assert torch.equal(view.inverse(z)[0], f.inverse(z)[0])
    assert view.latent_shapes(case.shape) == f.latent_shapes(case.shape)
    assert torch.equal(copy.deepcopy(view)(x)[0], z)


def test_several_passes_before_the_ways_back():
    f, (x, y) = BIJECTIONS["composition"].bijection(), noise(2, 5, 3)
    weights = list(f.parameters())
    together = torch.autograd.grad(Rebuilt(f)(x)[1].sum() + Rebuilt(f)(y)[0].sum(), weights)
    apart = torch.autograd.grad(f(x)[1].sum() + f(y)[0].sum(), weights)
    for got, expected in zip(together, apart, strict=True):
        torch.testing.assert_close(got, expected)


def test_other_weights_in_the_backward_pass_are_refused():
    f, x = BIJECTIONS["composition"].bijection(), noise(5, 3)
    weights = {name: p.detach().clone().requires_grad_() for name, p in f.named_parameters()}
    standing_in = {f"bijection.{name}": p for name, p in weights.items()}
    z, _ = torch.func.functional_call(Rebuilt(f), standing_in, (x,))
    with pytest.raises(RheonError, match="other weights in the backward pass"):
        z.sum().backward()
    z, _ = Rebuilt(f)(x)
    with torch.no_grad():
        next(f.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_second_derivatives_are_refused():
    f, x = BIJECTIONS["composition"].bijection(), noise(5, 3).requires_grad_()
    z, log_det = Rebuilt(f)(x)
    (by_x,) = torch.autograd.grad(z.square().sum() + log_det.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        by_x.square().sum().backward()


@BOTH
def test_nothing_can_follow_a_factor_out(way):
    f = Composition([FactorOut(Halves(), ActNorm(2), (4,)), Permutation([3, 2, 1, 0])])
    with pytest.raises(RheonError, match="nothing can follow"):
        way(f)(noise(2, 4, dtype=torch.float32))


@BOTH
def test_functional_transforms_see_f_itself(way):
    f, x = BIJECTIONS["composition"].bijection(), noise(4, 3)
    got = torch.func.vmap(torch.func.jacrev(lambda row: way(f)(row[None])[0][0]))(x)
    expected = torch.func.vmap(torch.func.jacrev(lambda row: f(row[None])[0][0]))(x)
    torch.testing.assert_close(got, expected)


@pytest.mark.slow
@BOTH
def test_compiled_it_is_f_itself(way):
    f, x = BIJECTIONS["composition"].bijection(), noise(4, 3)
    torch._dynamo.reset()
    got = torch.compile(way(f), fullgraph=True, backend="eager")(x)
    for one, wanted in zip(got, f(x), strict=True):
        torch.testing.assert_close(one, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if "realnvp, 8" in name else pytest.mark.slow) for name in flows(1)]
)
def test_the_peak_of_memory_does_not_grow_with_the_couplings(name):
    peaks = {}
    for couplings in (10, 100):
        flow, x = flows(couplings)[name]
        for way in WAYS:
            peaks[way, couplings] = peak(flow, loss_of(flow, way, x))
    assert peaks["invert", 100] < 1.15 * peaks["invert", 10]
    assert peaks["store", 100] > 5 * peaks["store", 10]
    assert peaks["checkpoint", 100] < 1.15 * peaks["checkpoint", 10]
