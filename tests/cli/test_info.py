import json
import shutil

import pytest

from tests.cli.conftest import config


def test_what_a_model_is(models, rheon):
    shown = rheon(f"info {models}/digits.rheon").out
    for words in (
        "digits.rheon: a density of images",
        "image_flow(shape=[1, 8, 8]",
        "grey levels    17",
        "1,797 grey images of 8×8 pixels",
        "359 test images: bits/dim, lower is better",
        "exact log P of the levels",
        "ELBO with uniform noise",
        "Gaussian mixture",
        "batch size     20",
        "seed           7",
    ):
        assert words in shown
    assert f"{config(models / 'digits.rheon')['figures']['bits_per_dim']:.3f} ±" in shown


def test_weights_are_not_read(models, here, rheon):
    shutil.copytree(models / "moons.rheon", here / "m")
    (here / "m" / "model.safetensors").unlink()
    shown = rheon("info m")
    assert shown.code == 0
    assert "columns\n  x0  continuous\n  x1  continuous\n" in shown.out


def test_hostile_names_are_text(models, rheon):
    shown = rheon(f"info {models}/hostile.rheon").out  # the fixture looks for what steers a terminal
    assert "<script>alert(1)</script>" in shown
    assert "\\x1b[31mred" in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"figures": {"test_rows": "many", "log_prob": "\x1b[2J", "integral": [1], "round_trip_error": None}},
        {"settings": {"seed": [[1]], "betas": "\x1b[31m", "steps": {}}},
        {"figures": [], "training": 7, "settings": "x", "data": None, "schema": "x", "preprocessing": ["a"]},
        {"data": {"\x1b[31m": {"a": [["\n"]]}, "left_out": [[["x"]], 3]}},
        {"figures": {"test_images": True, "bits_per_dim": True, "bits_per_dim_error": "±"}},
    ],
)
def test_a_config_of_somebody_else_is_shown_or_refused(models, here, rheon, changes):
    shutil.copytree(models / "moons.rheon", here / "m")
    (here / "m" / "config.json").write_text(json.dumps(config(here / "m") | changes))
    assert rheon("info m").code == 0


def test_a_model_that_the_library_saved(here, rheon):
    import numpy as np

    import rheon as library

    library.fit(np.random.default_rng(0).normal(size=(50, 2)), steps=1).save("m")
    shown = rheon("info m")
    assert shown.code == 0
    assert "50 rows of 2 columns" in shown.out
