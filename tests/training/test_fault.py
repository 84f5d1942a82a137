import math

import pytest
import torch
from torch import nn

from rheon.architectures import realnvp
from rheon.training.fault import find_fault


class Stack(nn.Module):
    """Layers of which a test makes one go wrong."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x, context=None):
        return self.layers(x).flatten(1).sum(1)


class Exp(nn.Module):
    def forward(self, x):
        return x.exp()


class Root(nn.Module):
    """Infinite slope at 0."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return (x + self.offset).abs().sqrt()


def calm(rows=6):
    return torch.linspace(-1, 1, 3 * rows).view(rows, 3).contiguous()


def test_a_finite_batch_has_no_fault():
    assert find_fault(Stack(nn.Linear(3, 3), Exp()), calm(), None) is None


@pytest.mark.parametrize("pieces", [1, 2, 6])
def test_the_first_layer_whose_output_is_not_finite_is_named_with_row_and_column(pieces):
    flow = Stack(nn.Identity(), Exp(), nn.Linear(3, 2))
    x = calm()
    x[4, 1] = 100.0  # exp(100) is beyond single precision
    found = find_fault(flow, x, None, pieces, columns=("age", "income", "tax"))
    assert found == "the output of layers.1 (Exp) is not finite: row 4, 'income' is 100"
    assert find_fault(flow, x, None, pieces).endswith("row 4, feature 1 is 100")


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_batch_that_is_not_finite_itself_is_told_as_that(bad):
    x = calm()
    x[2, 0], x[5, 1] = bad, 1e30
    found = find_fault(Stack(nn.Linear(3, 3)), x, None)
    assert found == f"the batch has values that are not finite: row 2, feature 0 is {bad}"


def test_where_outputs_are_finite_the_gradient_that_is_not_is_named():
    x = calm()
    x[3] = 0.0
    x[1, 2] = -7.0
    flow = Stack(nn.Identity(), Root(), nn.Linear(3, 1))
    found = find_fault(flow, x, None)
    assert found == "the gradient of offset of layers.1 (Root) is not finite: row 1, feature 2 is -7"


def test_of_images_the_rows_of_the_batch_are_named():
    x = torch.zeros(9, 1, 2, 2)
    x[[0, 2, 3, 4, 5, 8], 0, 1, 1] = 1e3
    flow = Stack(nn.Conv2d(1, 1, 1, bias=False), Exp())
    with torch.no_grad():
        flow.layers[0].weight.fill_(1.0)
    assert find_fault(flow, x, None).endswith(": rows 0, 2, 3, 4, 5 and 1 more of the batch")
    assert find_fault(flow, x, None, pieces=2).endswith(": rows 0, 2, 3, 4 of the batch")
    assert find_fault(flow, x[4:], None).endswith(": rows 0, 1, 4 of the batch")


@pytest.mark.usefixtures("untouched_rng")
def test_the_flow_is_left_as_it_was_and_layers_inside_a_fused_stack_are_seen():
    flow = realnvp(4, couplings=2, hidden=(8,)).train()
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    flow(x)
    with torch.no_grad():
        flow.bijection.composition.bijections[2].conditioner.theta[-1] = math.inf
    before = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    found = find_fault(flow, x, None)
    assert found.startswith(
        "the output of bijection.composition.bijections.2.conditioner (MLP) is not finite"
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in flow.state_dict().items())
    assert flow.training
    assert not any(module._forward_hooks for module in flow.modules())
    assert all(p.grad is None for p in flow.parameters())
