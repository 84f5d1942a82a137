"""torch.compile, full graph, both directions, to machine code: an option, never a need."""

import shutil

import pytest
import torch

from tests.contracts import ARCHITECTURES, BIG_ARCHITECTURES, events, perturbed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="torch.compile needs a C++ compiler"
    ),
    pytest.mark.filterwarnings("ignore:.*torch._prims_common.check.*:FutureWarning"),  # torch to itself
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["realnvp of one feature", "multiscale of one level", "image flow of colours"]
)
def test_compiled_it_gives_the_same_numbers(name):
    made = perturbed(ARCHITECTURES[name](), scale=0.1)
    x = events(made, 5)
    z, expected = made.bijection(x)[0], made.log_prob(x)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(made, fullgraph=True)(x), expected, rtol=1e-10, atol=1e-10)
    back, _ = torch.compile(made.bijection.inverse, fullgraph=True)(z)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("name", [*ARCHITECTURES, *BIG_ARCHITECTURES])
def test_every_architecture_is_one_graph_in_both_directions(name):
    # The graph alone: machine code for all of them takes many minutes.
    made = perturbed({**ARCHITECTURES, **BIG_ARCHITECTURES}[name](), scale=0.05)
    x = events(made, 3)
    z, expected = made.bijection(x)[0], made.log_prob(x)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(made, fullgraph=True, backend="eager")(x), expected)
    back, _ = torch.compile(made.bijection.inverse, fullgraph=True, backend="eager")(z)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["realnvp", "spline", "image flow of one pixel"])
def test_compiled_it_can_be_trained(name):
    # The graph of the gradients too, without the minutes that machine code for it takes.
    made = perturbed(ARCHITECTURES[name](), scale=0.1)
    x = events(made, 5)
    weights = list(made.parameters())
    expected = torch.autograd.grad(made(x).sum(), weights)
    torch._dynamo.reset()
    got = torch.autograd.grad(torch.compile(made, fullgraph=True, backend="aot_eager")(x).sum(), weights)
    for one, wanted in zip(got, expected, strict=True):
        torch.testing.assert_close(one, wanted, rtol=1e-9, atol=1e-9)
