import pytest

from rheon.cli.image_options import Pictures
from rheon.cli.run import MINUTES, Run, merged
from rheon.errors import RheonError


def test_what_is_not_said():
    run = Run.from_dict({"data": "a/wine.csv"})
    assert (run.out, run.architecture, run.test_share, run.pictures) == ("wine.rheon", None, 0.2, Pictures())
    assert run.training == {"minutes": MINUTES}
    assert Run.from_dict({"data": "x", "training": {"steps": 3}}).training == {"steps": 3}


def test_none_is_text():
    run = Run.from_dict({"data": "x", "training": {"clip": "none", "patience": "None", "steps": "none"}})
    assert run.training == {"clip": None, "patience": None, "steps": None, "minutes": MINUTES}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"dat": "x"}, "a run has no 'dat': did you mean 'data'?"),
        ({"zzz": "x"}, "a run has no 'zzz': there are data, out, architecture"),
        ({"pictures": {"sise": 3}}, r"\[pictures\] has no 'sise': did you mean 'size'?"),
        ({"pictures": 3}, r"pictures must be a table, \[pictures\], not 3"),
        ({"pictures": {"size": [8, 9]}}, "is no size"),
        ({"pictures": {"crop": "left"}}, "crop must be center, random, none, not 'left'"),
        ({"pictures": {"grey": True, "colour": True}}, "not both"),
        ({"pictures": {"strict": 1}}, "strict must be true or false, not 1"),
        ({"pictures": {"background": 1}}, "background must be a colour, not 1"),
        ({"variety": {"flip": "yes"}}, "flip must be true or false, not 'yes'"),
        ({"variety": {"shift": 1.5}}, "shift must be a whole number, at least 1, not 1.5"),
        ({"training": 3}, r"training must be a table, \[training\], not 3"),
        ({"training": {"sead": 3}}, "settings have no 'sead': did you mean 'seed'?"),
        ({"training": {"batch_size": "many"}}, "batch_size must be a whole number, at least 1, not 'many'"),
        ({"training": {"betas": [0.9]}}, "betas must be two numbers"),
        ({"training": {"steps": 3, "minutes": 1.0}}, "not both"),
        ({"data": 3}, "data must be text, not 3"),
        ({"out": ["a"]}, "out must be text"),
        ({"architecture": True}, "architecture must be text"),
        ({"test_share": True}, "test_share must be a number above 0 and below 1, not True"),
        ({"test_share": float("nan")}, "test_share must be"),
        ({"levels": 17.0}, "levels must be a whole number from 2 to 256, not 17.0"),
        ({"levels": True}, "levels must be"),
    ],
)
def test_what_is_wrong_is_named(values, says):
    with pytest.raises(RheonError, match=says):
        Run.from_dict({"data": "x"} | values)


def test_the_second_wins_and_a_budget_is_one():
    file = {"data": "a", "training": {"minutes": 1.5, "seed": 2}, "pictures": {"size": 4}}
    words = {"data": "b", "training": {"steps": 10}, "pictures": {}}
    whole = merged(file, words)
    assert whole == {"data": "b", "training": {"seed": 2, "steps": 10}, "pictures": {"size": 4}}
    assert file["training"] == {"minutes": 1.5, "seed": 2}
    assert merged(file, {"training": {"steps": 1, "minutes": 1}})["training"].keys() == {
        "seed",
        "steps",
        "minutes",
    }
