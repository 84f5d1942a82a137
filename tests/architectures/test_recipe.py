import pytest
import torch

from rheon.architectures import ARCHITECTURES, build, nice, realnvp
from rheon.errors import RheonError


def test_a_recipe_holds_every_argument_by_name():
    recipe = realnvp(3, hidden=(8, 4)).recipe
    assert recipe.name == "realnvp"
    defaults = {"couplings": 8, "context_features": 0, "seed": 0}
    assert recipe.arguments == {"features": 3, "hidden": [8, 4], **defaults}


def test_every_name_is_that_of_its_function():
    assert all(name == function.__name__ for name, function in ARCHITECTURES.items())


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("zzz", {}, "'zzz' is not known; there are.*realnvp"),
        ("__class__", {}, "not known"),
        ("realnvp", {}, "features"),
        ("realnvp", {"features": 2, "depth": 3}, "depth"),
        ("realnvp", {"features": 0}, "features must be"),
        ("realnvp", {"features": -1}, "features must be"),
        ("realnvp", {"features": 2.0}, "features must be"),
        ("realnvp", {"features": "2"}, "features must be"),
        ("realnvp", {"features": True}, "features must be"),
        ("realnvp", {"features": 2, "couplings": 0}, "couplings must be"),
        ("realnvp", {"features": 2, "couplings": None}, "couplings must be"),
        ("nice", {"features": 2, "base": "cauchy"}, "base must be"),
        ("nice", {"features": [1, 4]}, "shape must be"),
        ("spline_coupling", {"features": 2, "bins": 1}, "bins must be"),
        ("spline_coupling", {"features": 2, "bound": 0}, "bound must be"),
        ("multiscale_realnvp", {"shape": [1, 8]}, "shape must be"),
        ("multiscale_realnvp", {"shape": "888"}, "shape must be"),
        ("multiscale_realnvp", {"shape": [1, 8, 8], "width": 0}, "width must be"),
        ("realnvp_cifar10", {"norm": "layer"}, "norm must be"),
    ],
)
def test_what_is_not_in_the_list_or_does_not_fit_is_refused(name, arguments, says):
    with pytest.raises(RheonError, match=says):
        build(name, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"hidden": 64},
        {"hidden": None},
        {"hidden": [0]},
        {"hidden": [-1]},
        {"hidden": ["a"]},
        {"hidden": [2.5]},
        {"context_features": -1},
        {"context_features": 1.5},
        {"context_features": "2"},
        {"seed": "a"},
        {"seed": None},
        {"seed": 1.5},
        {"seed": 2**70},
        {"base": ["logistic"]},
    ],
    ids=str,
)
def test_a_hostile_recipe_gets_a_plain_refusal(arguments):
    # A model directory is read by build(): whatever stands in its JSON, it must answer with a RheonError.
    with pytest.raises(RheonError):
        build("nice", {"features": 2, **arguments})


def test_seeding_leaves_every_global_generator_alone(monkeypatch):
    # torch.manual_seed also seeds the accelerators, whose state a fork of the CPU's does not restore.
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    nice(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not seeded
