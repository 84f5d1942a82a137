from dataclasses import asdict, replace

import pytest

from rheon.errors import RheonError
from rheon.training import Settings


def test_budget_is_two_minutes_unless_one_is_given():
    assert (Settings().steps, Settings().minutes) == (None, 2.0)
    assert (Settings(steps=5).steps, Settings(steps=5).minutes) == (5, None)
    with pytest.raises(RheonError, match=r"steps or minutes, not both \(steps=5, minutes=1\)"):
        Settings(steps=5, minutes=1)
    assert replace(Settings(), minutes=None, steps=7).steps == 7


def test_what_is_written_is_read_back():
    settings = Settings(minutes=3, betas=(0.8, 0.9), threads=2, patience=None)
    assert Settings.from_dict(asdict(settings)) == settings
    as_toml_has_it = {**asdict(settings), "betas": [0.8, 0.9]}
    assert Settings.from_dict(as_toml_has_it) == settings


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("lerning_rate", "did you mean 'learning_rate'"),
        ("bach_size", "did you mean 'batch_size'"),
        ("zzz", "minutes"),
    ],
)
def test_an_unknown_key_is_refused_with_a_hint(key, answer):
    with pytest.raises(RheonError, match=answer):
        Settings.from_dict({key: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 1.5),
        ("steps", True),
        ("minutes", 0),
        ("minutes", float("inf")),
        ("minutes", "2"),
        ("batch_size", 0),
        ("accumulate", 0),
        ("compile", 1),
        ("memory", "none"),
        ("precision", "float16"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup", 1.0),
        ("weight_decay", -1e-9),
        ("betas", (0.9,)),
        ("betas", (0.9, 1.0)),
        ("clip", 1.0),
        ("ema_decay", 1.0),
        ("validate_every", 0),
        ("validate_every", 1.1),
        ("patience", 0),
        ("seed", -1),
        ("threads", 0),
        ("threads", "all"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(RheonError, match=f"settings: {name} must be "):
        Settings(**{name: value})


def test_a_compiled_flow_keeps_what_it_wants():
    assert Settings(compile=True, memory="store").compile
    with pytest.raises(RheonError, match="compile=True and memory='invert' exclude each other"):
        Settings(compile=True, memory="invert")
