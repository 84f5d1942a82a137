import json

import pytest
import torch
from torch import nn

from rheon.errors import ModelError
from rheon.training import Rows, Settings
from rheon.training.budget import Budget
from rheon.training.state import State

SETTINGS = Settings(steps=10, threads=1)


class Odd(nn.Module):
    """Something of each kind that a module may hold."""

    def __init__(self, features=3):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(features))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        self.register_buffer("statistics", torch.zeros(features))
        self.register_buffer("edge", torch.tensor([float("inf")]))
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("constant", torch.tensor([1]).expand(4), persistent=False)

    def forward(self, x, context=None):
        return -((x - self.mean) ** 2).sum(1)


def state(module):
    return State(module, [module.statistics], Rows(torch.ones(4, 3)), SETTINGS, Budget(SETTINGS), threads=2)


def saved(state):
    """As the disk gives it back."""
    return json.loads(json.dumps(state.numbers())), {n: t.clone() for n, t in state.tensors().items()}


def test_everything_that_moves_comes_back():
    module = Odd()
    old = state(module)
    for rate in (0.1, 0.2):
        old.descent.step(old.descent.slope(module, torch.randn(8, 3), None), rate)
        old.watch.average.update()
        old.steps += 1
        module.statistics += 0.5
        module.calls += 1
    old.watch.validate(0.4)
    old.descent.step(
        old.descent.slope(module, torch.randn(8, 3), None), 0.1
    )  # so that now, average and best differ
    old.watch.average.update()
    other = Odd()
    new = state(other)
    new.restore(*saved(old))
    assert new.numbers()["watch"] == old.numbers()["watch"]
    assert (new.steps, new.over, new.threads) == (2, False, 2)
    assert new.tensors().keys() == old.tensors().keys()
    for name, tensor in old.tensors().items():
        assert torch.equal(new.tensors()[name], tensor), name
    assert torch.equal(other.mean, module.mean)
    assert not torch.equal(new.watch.best[0], new.watch.average.values[0])
    new.weights.release(new.watch.best)
    old.weights.release(old.watch.best)
    assert torch.equal(other.mean, module.mean)


def test_before_a_validation_there_is_no_best():
    old, new = state(Odd()), state(Odd())
    new.restore(*saved(old))
    assert new.watch.best is new.watch.average.values
    assert new.numbers()["watch"]["best_value"] is None


def test_time_goes_on_from_what_was_spent():
    old, new = state(Odd()), state(Odd())
    numbers, tensors = saved(old)
    numbers["budget"]["seconds"] = 1000.0
    new.restore(numbers, tensors)
    assert 1000.0 <= new.budget.seconds < 1001.0


@pytest.mark.parametrize("change", ["shape", "missing", "more", "dtype"])
def test_tensors_of_another_flow_are_refused_before_any_is_put_back(change):
    old, module = state(Odd(4 if change == "shape" else 3)), Odd()
    new = state(module)
    numbers, tensors = saved(old)
    tensors["theta"] += 1
    if change == "missing":
        del tensors["flow.calls"]
    elif change == "more":
        tensors["flow.more"] = torch.ones(1)
    elif change == "dtype":
        tensors["flow.calls"] = tensors["flow.calls"].double()
    with pytest.raises(ModelError, match="one of another flow"):
        new.restore(numbers, tensors)
    assert module.mean.tolist() == [0.0] * 3
