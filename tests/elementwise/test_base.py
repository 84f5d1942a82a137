"""What every elementwise map promises, one list through one set of tests."""

import pytest
import torch

from rheon.elementwise import Elementwise
from tests.contracts import ELEMENTWISE, missing_elementwise, noise


@pytest.fixture(params=ELEMENTWISE)
def map_(request: pytest.FixtureRequest) -> Elementwise:
    return ELEMENTWISE[request.param]()


def psi(map_: Elementwise, scale: float, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    batch, *event = shape
    return scale * noise(batch, map_.num_params, *event, seed=7, dtype=dtype)


def test_every_map_is_listed():
    assert not missing_elementwise()


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 2, 4), (0, 3)])
def test_shapes_and_types(map_, shape):
    for dtype in (torch.float32, torch.float64):
        for direction in (map_, map_.inverse):
            value, log_slope = direction(noise(*shape, dtype=dtype), psi(map_, 1.0, *shape, dtype=dtype))
            assert value.shape == log_slope.shape == shape
            assert value.dtype == log_slope.dtype == dtype


def test_zero_parameters_are_the_identity(map_):
    x = 4 * noise(50, 3)
    for direction in (map_, map_.inverse):
        y, log_slope = direction(x, torch.zeros(50, map_.num_params, 3, dtype=x.dtype))
        torch.testing.assert_close(y, x, rtol=0, atol=1e-13)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_log_slope_is_the_log_of_the_derivative(map_, scale):
    x = (3 * noise(300, 2)).requires_grad_()
    params = psi(map_, scale, 300, 2)
    for direction in (map_, map_.inverse):
        y, log_slope = direction(x, params)
        (slope,) = torch.autograd.grad(y.sum(), x)
        assert (slope > 0).all()
        torch.testing.assert_close(log_slope, slope.log(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_strictly_increasing(map_, scale):
    x = torch.linspace(-8, 8, 401, dtype=torch.float64)[:, None].expand(401, 20)
    params = psi(map_, scale, 1, 20).expand(401, -1, 20)
    for direction in (map_, map_.inverse):
        assert (direction(x, params)[0].diff(dim=0) > 0).all()


@pytest.mark.parametrize(
    ("dtype", "scale", "tolerance"),
    [(torch.float64, 0.3, 1e-13), (torch.float64, 1.0, 1e-10), (torch.float32, 0.3, 1e-5)],
    ids=str,
)
def test_round_trip_both_ways(map_, dtype, scale, tolerance):
    x = 3 * noise(1000, 3, dtype=dtype)
    params = psi(map_, scale, 1000, 3, dtype=dtype)
    for there, back in ((map_, map_.inverse), (map_.inverse, map_)):
        y, log_there = there(x, params)
        x_again, log_back = back(y, params)
        torch.testing.assert_close(x_again, x, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(log_there, -log_back, rtol=0, atol=max(10 * tolerance, 1e-12))


@pytest.mark.parametrize("x", [30.0, -30.0, 1e3, -1e4, 1e6])
def test_far_tails_come_back(map_, x):
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 1e-5)):
        far = torch.full((200, 1), x, dtype=dtype)
        params = psi(map_, 1.0, 200, 1, dtype=dtype)
        y, log_slope = map_(far, params)
        back, log_back = map_.inverse(y, params)
        torch.testing.assert_close(back, far, rtol=tolerance, atol=0)
        torch.testing.assert_close(log_slope, -log_back, rtol=0, atol=1e-3)
        assert (log_slope.abs() < 12).all()


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("output", ["value", "log slope"])
def test_gradients_are_those_of_finite_differences(map_, direction, output):
    x = (1.3 * noise(3, 2, seed=3)).requires_grad_()
    params = psi(map_, 0.8, 3, 2).requires_grad_()
    function, index = getattr(map_, direction), int(output == "log slope")
    assert torch.autograd.gradcheck(lambda x, params: function(x, params)[index], (x, params))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_gradients_are_finite_everywhere(map_, dtype, scale):
    # Knots and ends of the splines in the list among them; 30 saturates every softmax and tanh.
    values = [0.0, 0.6, 1.0, 1.8, 2.9999998, 3.0, 3.0000002, 5.0, 40.0, 1e4]
    x = torch.tensor([sign * v for v in values for sign in (1, -1)], dtype=dtype)[:, None].expand(-1, 30)
    for direction in (map_, map_.inverse):
        at, params = x.clone().requires_grad_(), psi(map_, scale, *x.shape, dtype=dtype).requires_grad_()
        y, log_slope = direction(at, params)
        assert y.isfinite().all()
        assert log_slope.isfinite().all()
        for gradient in torch.autograd.grad((y.sum() + log_slope.sum()), (at, params), allow_unused=True):
            assert gradient is None or gradient.isfinite().all()


def test_parameter_axis_comes_first_whatever_the_event(map_):
    x, params = noise(2, 3, 4), psi(map_, 1.0, 2, 3, 4)
    y, log_slope = map_(x, params)
    flat_y, flat_log_slope = map_(x.flatten(1), params.flatten(2))
    assert torch.equal(y.flatten(1), flat_y)
    assert torch.equal(log_slope.flatten(1), flat_log_slope)
    for i, j in ((0, 0), (2, 3)):
        one, _ = map_(x[:, i, j, None], params[:, :, i, j, None])
        torch.testing.assert_close(y[:, i, j, None], one, rtol=0, atol=1e-14)


def test_nan_stays_nan(map_):
    x = torch.tensor([[float("nan"), 0.5]], dtype=torch.float64)
    params = psi(map_, 1.0, 1, 2)
    for direction in (map_, map_.inverse):
        y, log_slope = direction(x, params)
        assert y.isnan().tolist() == [[True, False]]
        assert log_slope.isfinite()[0, 1]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)], ids=["float64", "float32"]
)
@pytest.mark.parametrize("memory", ["rows first", "batch last in memory"])
@pytest.mark.parametrize("shape", [(300, 4), (5, 3, 2, 4), (0, 3)])
def test_back_is_the_inverse_with_the_derivatives_by_autograd(map_, shape, memory, dtype, tolerance):
    x, params = (3 * noise(*shape, dtype=dtype)).requires_grad_(), psi(map_, 1.0, *shape, dtype=dtype)
    if memory == "batch last in memory":
        params = params.movedim(0, -1).contiguous().movedim(-1, 0)
    grads = noise(*shape, seed=3, dtype=dtype), noise(*shape, seed=4, dtype=dtype)
    y, log_dy = map_(x, params.requires_grad_())
    by_x, by_params = torch.autograd.grad((grads[0] * y + grads[1] * log_dy).sum(), (x, params))
    found = map_.back(y.detach(), params.detach(), *grads)
    for got, expected in zip(found, (x.detach(), by_x, by_params), strict=True):
        assert not got.requires_grad
        scale = float(expected.abs().max()) if expected.numel() else 0.0
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * scale)


def test_inputs_stay_as_they_were(map_):
    x, params = noise(4, 3), psi(map_, 1.0, 4, 3)
    x_before, params_before = x.clone(), params.clone()
    map_(x, params)
    map_.inverse(x, params)
    map_.back(x, params, x, x)
    assert torch.equal(x, x_before)
    assert torch.equal(params, params_before)


def test_nothing_is_saved_with_the_weights(map_):
    assert not map_.state_dict()


@torch.no_grad()
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * ("mixture" in name)) for name in ELEMENTWISE]
)
def test_compiles_as_one_graph_in_both_directions(name):
    # The capture of the graph only, which is where data-dependent code fails.
    map_ = ELEMENTWISE[name]()
    torch._dynamo.reset()
    x, params = noise(4, 3), psi(map_, 1.0, 4, 3)
    for direction in (map_, map_.inverse):
        got = torch.compile(direction, fullgraph=True, backend="eager")(x, params)
        for result, expected in zip(got, direction(x, params), strict=True):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-13)
