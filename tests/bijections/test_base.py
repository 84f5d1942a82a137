"""What every bijection promises, one list through one set of tests."""

from copy import deepcopy
from math import prod

import pytest
import torch

from rheon.bijections import (
    ActNorm,
    BatchNorm,
    Chain,
    Coupling,
    FactorOut,
    Flatten,
    InvertibleConv1x1,
    LULinear,
    Permutation,
    Scaling,
    Squeeze,
    Standardise,
)
from rheon.conditioners import ConvNet
from rheon.distributions import StandardNormal
from rheon.elementwise import Shift
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Checkerboard, Halves
from tests.contracts import BIJECTIONS, Case, M, layouts, log_abs_det, missing_bijections, noise


@pytest.fixture(params=BIJECTIONS)
def case(request: pytest.FixtureRequest) -> Case:
    return BIJECTIONS[request.param]


def test_every_bijection_is_listed():
    assert not missing_bijections()


def test_log_det_is_that_of_the_whole_jacobian(case):
    f, x, context = case.bijection(), case.x(2), case.given(1)
    given = None if context is None else context.expand(2, -1)
    z, log_det = f(x, given)
    torch.testing.assert_close(log_det, log_abs_det(lambda v: f(v, context)[0], x), rtol=0, atol=1e-10)
    _, log_det_back = f.inverse(z, given)
    expected = log_abs_det(lambda v: f.inverse(v, context)[0], z)
    torch.testing.assert_close(log_det_back, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)], ids=["float64", "float32"]
)
def test_round_trip_both_ways(case, dtype, tolerance):
    f, x, context = case.bijection(dtype), case.x(50, dtype), case.given(50, dtype)
    close = {"rtol": tolerance, "atol": tolerance}
    z, log_det = f(x, context)
    x_back, log_det_back = f.inverse(z, context)
    torch.testing.assert_close(x_back, x, **close)
    torch.testing.assert_close(log_det_back, -log_det, **close)
    # A latent that no datum was mapped to. Kept off the tails of the logit, where float32 x cannot tell z.
    z = 0.5 * noise(50, *case.z_shape(), seed=9, dtype=dtype)
    x, log_det_back = f.inverse(z, context)
    z_back, log_det = f(x, context)
    torch.testing.assert_close(z_back, z, **close)
    torch.testing.assert_close(log_det_back, -log_det, **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_shapes_and_types(case, rows, dtype):
    f, context = case.bijection(dtype), case.given(rows, dtype)
    x = case.x(rows, dtype)
    z, log_det = f(x, context)
    assert z.shape == (rows, *case.z_shape())
    x_back, log_det_back = f.inverse(z, context)
    assert x_back.shape == x.shape
    for result in (z, x_back, log_det, log_det_back):
        assert result.dtype == dtype
    assert log_det.shape == log_det_back.shape == (rows,)


def test_latent_shapes_hold_every_scalar_once(case):
    shapes = case.make().latent_shapes(case.shape)
    assert sum(prod(shape) for shape in shapes) == prod(case.shape)
    assert all(isinstance(shape, torch.Size) for shape in shapes)


def test_context_reaches_it_or_has_no_effect(case):
    f, x = case.bijection(), case.x(4)
    z, log_det = f(x, case.given(4, seed=5))
    if case.context:
        other, _ = f(x, case.given(4, seed=6))
        assert (other != z).flatten(1).any(1).all()
        for wrong in (None, noise(4, M + 1), noise(3, M), noise(M)):
            with pytest.raises(RheonError, match="context"):
                f(x, wrong)
    else:
        z_given, log_det_given = f(x, noise(4, M))
        assert torch.equal(z_given, z)
        assert torch.equal(log_det_given, log_det)
        x_back, x_given = f.inverse(z)[0], f.inverse(z, noise(4, M))[0]
        assert torch.equal(x_back, x_given)


def test_a_row_does_not_see_the_others(case):
    f, x, context = case.bijection(), case.x(4), case.given(4)
    z, log_det = f(x, context)
    others = x.clone()
    others[1:] = case.x(3, seed=99)
    z_again, log_det_again = f(others, context)
    torch.testing.assert_close(z_again[0], z[0], rtol=0, atol=1e-13)
    torch.testing.assert_close(log_det_again[0], log_det[0], rtol=0, atol=1e-12)
    alone, log_det_alone = f(x[:1], None if context is None else context[:1])
    torch.testing.assert_close(alone[0], z[0], rtol=0, atol=1e-13)
    torch.testing.assert_close(log_det_alone[0], log_det[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_never_becomes_one(case, bad):
    f, x, context = case.bijection(), case.x(3), case.given(3)
    z, log_det = f(x, context)
    for i in range(0, prod(case.shape), 2):
        spoilt = x.clone()
        spoilt[1].view(-1)[i] = bad
        z_bad, log_det_bad = f(spoilt, context)
        assert not z_bad[1].isfinite().all()
        torch.testing.assert_close(z_bad[::2], z[::2], rtol=0, atol=1e-13)
        torch.testing.assert_close(log_det_bad[::2], log_det[::2], rtol=0, atol=1e-12)


def test_layout_in_memory_does_not_matter(case):
    f, x, context = case.bijection(), case.x(3), case.given(3)
    z, log_det = f(x, context)
    for layout in layouts(x):
        before = layout.clone()
        z_again, log_det_again = f(layout, context)
        torch.testing.assert_close(z_again, z, rtol=0, atol=1e-13)
        torch.testing.assert_close(log_det_again, log_det, rtol=0, atol=1e-12)
        assert torch.equal(layout, before)
    for layout in layouts(z):
        before = layout.clone()
        torch.testing.assert_close(f.inverse(layout, context)[0], x, rtol=1e-10, atol=1e-10)
        assert torch.equal(layout, before)


def test_weights_taken_over_give_the_same_bits(case):
    f, x, context = case.bijection(), case.x(3), case.given(3)
    expected = f(x, context)
    state = {name: tensor.clone() for name, tensor in f.state_dict().items()}
    fresh = case.make().double().eval()
    fresh.load_state_dict(state, strict=True)
    for twin in (fresh, deepcopy(f)):
        for got, wanted in zip(twin(x, context), expected, strict=True):
            assert torch.equal(got, wanted)


def test_gradients_reach_every_weight_in_both_directions(case):
    f, x, context = case.bijection(), case.x(20), case.given(20)
    z = f(x, context)[0].detach()
    for direction, at in ((f, x), (f.inverse, z)):
        f.zero_grad()
        at = at.clone().requires_grad_()
        value, log_det = direction(at, context)
        # Neither a sum nor a plain square: either has directions in which it does not change.
        (value.sin().sum() + value.square().sum() + log_det.square().sum()).backward()
        assert at.grad.isfinite().all()
        for name, weight in f.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name


def test_state_and_log_det_keep_float32_under_autocast(case):
    # Conditioners may run in bfloat16; what flows through the bijection may not.
    f, x, context = case.bijection(torch.float32), case.x(3, torch.float32), case.given(3, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = f(x, context)
        x_back, log_det_back = f.inverse(z, context)
    for result in (z, log_det, x_back, log_det_back):
        assert result.dtype == torch.float32
    if not any(isinstance(layer, Chain | Coupling) for layer in f.modules()):
        for got, wanted in zip((z, log_det), f(x, context), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@torch.no_grad()
def test_compiles_as_one_graph_in_both_directions(case):
    # The capture of the graph, where data-dependent code fails; tests/architectures compiles to code.
    f, x, context = case.bijection(), case.x(3), case.given(3)
    expected = f(x, context)
    torch._dynamo.reset()
    got = torch.compile(f, fullgraph=True, backend="eager")(x, context)
    for result, wanted in zip(got, expected, strict=True):
        torch.testing.assert_close(result, wanted, rtol=0, atol=1e-12)
    x_back, _ = torch.compile(f.inverse, fullgraph=True, backend="eager")(expected[0], context)
    torch.testing.assert_close(x_back, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Standardise(torch.zeros(1), torch.ones(1)), (3,)),
        (Scaling(1), (3,)),
        (Scaling(4), (2, 4, 4)),
        (ActNorm(1), (3,)),
        (ActNorm(1), (3, 2, 2)),
        (BatchNorm(1), (3,)),
        (Permutation([1, 0]), (3,)),
        (LULinear(2), (3,)),
        (InvertibleConv1x1(2), (3, 2, 2)),
        (InvertibleConv1x1(4), (4,)),
        (Flatten((1, 2, 2)), (1, 1, 4)),
        (FactorOut(Halves(), Scaling(1), (2,)), (3,)),
        (Squeeze(), (1, 3, 4)),
        (Squeeze(), (16,)),
        (Coupling(Checkerboard(), Shift(), ConvNet(2, 2)), (1, 3, 4)),
    ],
    ids=lambda value: str(value).partition("\n")[0],
)
def test_a_layer_for_other_events_is_refused_when_the_flow_is_built(layer, shape):
    # It would broadcast, or drop features, and give a wrong density without a word.
    with pytest.raises(RheonError):
        Flow(layer, StandardNormal(shape))
