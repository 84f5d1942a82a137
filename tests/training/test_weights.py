import math

import pytest
import torch
from torch import nn

from rheon.errors import RheonError
from rheon.training.weights import Weights


def net() -> nn.Module:
    """Sizes that are and are not multiples of 16, a layout with channels last, buffers, a frozen weight."""
    module = nn.Sequential(nn.Conv2d(3, 4, (2, 3)).to(memory_format=torch.channels_last), nn.Conv2d(4, 16, 1))
    module.register_parameter("unused", nn.Parameter(torch.ones(5)))
    module.register_parameter("frozen", nn.Parameter(torch.ones(2), requires_grad=False))
    module.register_buffer("statistic", torch.tensor([1.0, 2.0]))
    module.register_buffer("edge", torch.tensor([0.0, math.inf]))
    module.register_buffer("count", torch.tensor(3))
    return module


def values(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def assert_same(module: nn.Module, expected: dict[str, torch.Tensor]) -> None:
    assert {name: tensor.tolist() for name, tensor in values(module).items()} == {
        name: tensor.tolist() for name, tensor in expected.items()
    }


def test_parameters_become_views_with_the_same_values_and_layout():
    module = net()
    before, strides = values(module), {name: p.stride() for name, p in module.named_parameters()}
    assert not module[0].weight.is_contiguous()  # or this test shows nothing
    weights = Weights(module)
    assert_same(module, before)
    assert {name: p.stride() for name, p in module.named_parameters()} == strides
    assert weights.vector.shape == (4 * 3 * 6 + 4 + 16 * 4 + 16 + 5,)
    with torch.no_grad():
        weights.vector += 1.0
    moved = {n: t + 1 if n[0] in "01" or n == "unused" else t for n, t in before.items()}
    assert_same(module, moved)


def test_sizes_that_are_multiples_of_16_keep_their_alignment():
    module = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 16), nn.Linear(16, 4))
    start = Weights(module).vector.data_ptr()
    offsets = {name: (p.data_ptr() - start) % 64 for name, p in module.named_parameters()}
    aligned = {"1.weight", "1.bias", "2.weight"}
    assert {name for name, offset in offsets.items() if offset == 0} >= aligned


def test_the_gradient_is_that_of_the_vector():
    module, plain = net(), net()
    plain.load_state_dict(module.state_dict())
    weights = Weights(module)
    x = torch.randn(2, 3, 5, 5)
    for m in (module, plain):
        (m[1](m[0](x)) ** 2).sum().backward()
    weights.vector -= weights.take_gradient()  # each weight has to meet its own gradient
    assert all(p.grad is None for p in module.parameters())
    for (name, got), (_, p) in zip(module.named_parameters(), plain.named_parameters(), strict=True):
        expected = p if p.grad is None else p - p.grad
        torch.testing.assert_close(got, expected, msg=lambda m, name=name: f"{name}: {m}")


def test_release_gives_back_the_memory_with_the_values_that_are_wanted():
    module = net()
    places = {name: p.data_ptr() for name, p in module.named_parameters()}
    before = values(module)
    weights = Weights(module)
    kept = [tensor.clone() for tensor in weights.moving]
    with torch.no_grad():
        weights.vector += 1.0
        module.statistic += 1.0
    weights.release(kept)
    assert_same(module, before)
    assert {name: p.data_ptr() for name, p in module.named_parameters()} == places


def test_moving_are_the_vector_and_finite_floating_buffers():
    module = net()
    weights = Weights(module)
    assert [t.data_ptr() for t in weights.moving] == [weights.vector.data_ptr(), module.statistic.data_ptr()]


def test_weights_can_be_copied_into_a_copy_and_bump_its_versions():
    """A layer may keep what it computed from a weight for as long as the weight's version stays the same."""
    module, copy = net(), net()
    weights = Weights(module)
    versions = [copy[0].weight._version, copy.statistic._version]
    weights.copy_into(copy, weights.moving)
    assert_same(copy, values(module))
    assert copy[0].weight._version > versions[0]
    assert copy.statistic._version > versions[1]


def test_mixed_types_are_refused():
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double())
    with pytest.raises(RheonError, match=r"not torch\.float32 on cpu and torch\.float64 on cpu"):
        Weights(module)
