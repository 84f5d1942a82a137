import shutil
import warnings

import pytest
import torch
from torch import nn

from rheon.architectures import realnvp
from rheon.training import Rows, Settings, train
from rheon.training.compiled import Compiled

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="torch.compile needs a C++ compiler"
)


def learned(rows, **changes):
    flow = realnvp(3, couplings=2, hidden=(8,), seed=0)
    records = list(train(flow, Rows(rows), Rows(rows), Settings(steps=12, threads=1, **changes)))
    return flow, [record.loss for record in records]


@pytest.mark.slow
@needs_compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*", "ignore::FutureWarning:torch.*")
def test_compiled_it_learns_the_same(rows):
    torch._dynamo.reset()
    _, expected = learned(rows)
    _, losses = learned(rows, compile=True)
    # A fallback would have warned. After ActNorm's first batch some slopes are 0 but for rounding, which Adam
    # divides by itself: so only the first loss is equal to rounding.
    assert losses[0] == pytest.approx(expected[0], rel=1e-6)
    assert losses == pytest.approx(expected, abs=1e-2)


def test_where_the_compiler_fails_it_is_told_and_training_goes_on(rows, monkeypatch):
    calls = []

    def failing(forward, fullgraph):
        def run(*args):
            calls.append(fullgraph)
            raise RuntimeError("no C++ compiler was found\nand more")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.warns(RuntimeWarning, match="trained as it is: no C\\+\\+ compiler was found$"):
        flow, losses = learned(rows, compile=True)
    plain, expected = learned(rows)
    assert calls == [True]
    assert losses == expected
    assert all(torch.equal(a, b) for a, b in zip(flow.parameters(), plain.parameters(), strict=True))


def test_weights_are_the_flows_own():
    flow = nn.Linear(3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert next(Compiled(flow).parameters()) is flow.weight
