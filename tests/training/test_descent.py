import copy
import math

import pytest
import torch
from torch import nn

from rheon.training import Settings
from rheon.training.descent import Descent
from rheon.training.weights import Weights


class Net(nn.Module):
    """Some function of x with several tensors of weights; "log p" only in name."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))

    def forward(self, x, context=None):
        return -(self.layers(x).squeeze(1) ** 2)


def descend(descent: Descent, flow: nn.Module, x: torch.Tensor, context, rate: float):
    slope = descent.slope(flow, x, context)
    descent.step(slope, rate)
    return slope.loss, slope.norm


def state(flow: nn.Module, descent: Descent) -> list[torch.Tensor]:
    tensors = [*flow.parameters(), descent.mean, descent.square, descent.count, descent.usual_norm]
    return [tensor.detach().clone() for tensor in tensors]


@pytest.mark.parametrize("clip", [None, 1.1])
def test_steps_are_those_of_plain_adamw_with_clipping(clip):
    flow = Net().double()
    plain = copy.deepcopy(flow)
    settings = Settings(steps=1, clip=clip, weight_decay=0.1, betas=(0.8, 0.95))
    descent = Descent(Weights(flow), settings)
    reference = torch.optim.AdamW(plain.parameters(), weight_decay=0.1, betas=(0.8, 0.95), foreach=False)
    usual, clipped_steps = None, 0
    for step in range(8):
        x, rate = torch.randn(16, 3).double() * (1 + 5 * (step == 4)), 0.01 * (step + 1)
        loss, norm = descend(descent, flow, x, None, rate)
        reference.zero_grad()
        expected_loss = -plain(x).mean()
        expected_loss.backward()
        limit = math.inf if clip is None or usual is None else clip * usual
        expected_norm = math.sqrt(sum(p.grad.square().sum().item() for p in plain.parameters()))
        if expected_norm > limit:
            clipped_steps += 1
            for p in plain.parameters():
                p.grad *= limit / expected_norm
        seen = min(expected_norm, limit)
        usual = seen if usual is None else 0.98 * usual + 0.02 * seen
        reference.param_groups[0]["lr"] = rate
        reference.step()
        within = 1e-12
        assert loss.item() == pytest.approx(expected_loss.item(), rel=within)
        assert norm.item() == pytest.approx(expected_norm, rel=within)
        assert descent.usual_norm.item() == pytest.approx(usual, rel=within)
    assert (1 <= clipped_steps <= 7) == (clip is not None)
    for got, expected in zip(flow.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(got, expected, rtol=within, atol=within)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(bad):
    flow = Net()
    descent = Descent(Weights(flow), Settings(steps=1))
    descend(descent, flow, torch.randn(4, 3), None, 0.1)
    before = state(flow, descent)
    x = torch.randn(4, 3)
    x[2, 1] = bad
    descend(descent, flow, x, None, 0.1)
    assert descent.skipped.item() == 1
    for now, then in zip(state(flow, descent), before, strict=True):
        assert torch.equal(now, then)
    descend(descent, flow, torch.randn(4, 3), None, 0.1)
    assert descent.skipped.item() == 1
    assert not torch.equal(next(flow.parameters()), before[0])


def test_an_infinite_loss_with_a_finite_gradient_is_left_out_too():
    class Edge(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x, context=None):
            return self.weight * x - math.inf

    flow = Edge()
    descent = Descent(Weights(flow), Settings(steps=1))
    _, norm = descend(descent, flow, torch.ones(2), None, 0.1)
    assert norm.item() == 1.0
    assert descent.skipped.item() == 1
    assert flow.weight.item() == 1.0


def test_a_gradient_of_zero_at_first_does_not_stop_what_follows():
    flow = Net()
    nn.init.zeros_(flow.layers[2].weight)
    nn.init.zeros_(flow.layers[2].bias)
    descent = Descent(Weights(flow), Settings(steps=1, weight_decay=0.0))
    _, norm = descend(descent, flow, torch.randn(4, 3), None, 0.1)
    assert norm.item() == 0.0
    with torch.no_grad():
        flow.layers[2].bias.fill_(1.0)
    _, norm = descend(descent, flow, torch.randn(4, 3), None, 0.1)
    assert descent.usual_norm.item() == norm.item() > 2.0  # of which 2 is d/db mean b² at b = 1
    assert flow.layers[2].bias.item() < 1.0


@pytest.mark.parametrize("pieces", [2, 3, 16, 100])
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(pieces):
    class Conditional(Net):
        def forward(self, x, context=None):
            seen.append(len(x))
            return super().forward(x) * context[:, 0]

    whole = Conditional().double()
    flow, seen = copy.deepcopy(whole), []
    x, context = torch.randn(16, 3).double(), torch.rand(16, 1).double()
    plain = Descent(Weights(whole), Settings(steps=1))
    descent = Descent(Weights(flow), Settings(steps=1, accumulate=pieces))
    for _ in range(4):
        expected = descend(plain, whole, x, context, 0.1)
        seen.clear()
        got = descend(descent, flow, x, context, 0.1)
        assert sum(seen) == 16
        assert len(seen) == min(pieces, 16)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    for one, other in zip(flow.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
