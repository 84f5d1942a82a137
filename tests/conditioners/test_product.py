import copy

import pytest
import torch
from torch import Tensor, nn

from rheon.conditioners.product import product
from tests.contracts import noise

# Small enough for the ordinary product, and large enough for the other one.
SIZES = {"small": (7, 5, 3), "large": (700, 64, 70)}


@pytest.fixture(params=SIZES)
def inputs(request: pytest.FixtureRequest) -> tuple[Tensor, nn.Linear]:
    rows, features, out = SIZES[request.param]
    return noise(rows, features, dtype=torch.float32), nn.Linear(features, out)


def exact(x: Tensor, layer: nn.Linear) -> tuple[Tensor, nn.Linear]:
    return x.detach().double(), copy.deepcopy(layer).double()


def test_is_the_product(inputs):
    x, layer = inputs
    x64, layer64 = exact(x, layer)
    expected = torch.einsum("bi,oi->bo", x64, layer64.weight) + layer64.bias
    wide = torch.stack((x, x), 2).flatten(1)
    for same in (x, wide[:, ::2], x.t().contiguous().t()):
        got = product(same, layer.weight, layer.bias)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)


def test_first_and_second_derivatives(inputs):
    def derivatives(x: Tensor, layer: nn.Linear, function) -> list[Tensor]:
        x = x.clone().requires_grad_()
        first = torch.autograd.grad(
            function(x, layer).sin().sum(), [x, *layer.parameters()], create_graph=True
        )
        second = torch.autograd.grad(first[0].square().sum(), [x, *layer.parameters()])
        return [*first, *second]

    got = derivatives(*inputs, lambda x, layer: product(x, layer.weight, layer.bias))
    expected = derivatives(*exact(*inputs), lambda x, layer: x @ layer.weight.t() + layer.bias)
    for one, wanted in zip(got, expected, strict=True):
        torch.testing.assert_close(one.double(), wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())


def test_gradient_of_a_plain_sum(inputs):
    # Its gradient is one expanded number, not a tensor of its own memory.
    x, layer = inputs
    product(x, layer.weight, layer.bias).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand_as(layer.weight), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.bias.grad, torch.full_like(layer.bias, len(x)))


def test_what_is_frozen_gets_no_gradient(inputs):
    x, layer = inputs
    layer.requires_grad_(False)
    x = x.clone().requires_grad_()
    product(x, layer.weight, layer.bias).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand_as(x), rtol=1e-5, atol=1e-5)


def test_rows_keep_to_themselves(inputs):
    x, layer = inputs
    spoilt = x.clone()
    spoilt[3, 1] = float("nan")
    got, expected = product(spoilt, layer.weight, layer.bias), product(x, layer.weight, layer.bias)
    assert got[3].isnan().all()
    rest = torch.arange(len(x)) != 3
    torch.testing.assert_close(got[rest], expected[rest], rtol=1e-5, atol=1e-5)


def test_float64_stays_float64(inputs):
    x, layer = exact(*inputs)
    got = product(x, layer.weight, layer.bias)
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, layer(x), rtol=1e-14, atol=1e-14)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated"
)  # torch's own forward-mode rules use it
def test_forward_mode(inputs):
    x, layer = inputs
    direction = x.cos()
    value, tangent = torch.func.jvp(lambda v: product(v, layer.weight, layer.bias), (x,), (direction,))
    torch.testing.assert_close(value, product(x, layer.weight, layer.bias))
    torch.testing.assert_close(tangent, direction @ layer.weight.t(), rtol=1e-4, atol=1e-4)


def test_autocast_lowers_the_precision_of_every_size(inputs):
    with torch.autocast("cpu", torch.bfloat16):
        assert product(inputs[0], inputs[1].weight, inputs[1].bias).dtype == torch.bfloat16
