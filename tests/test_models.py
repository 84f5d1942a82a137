"""rheon.fit and rheon.load choose the right model, and refuse what is none."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import rheon
from rheon import ImageDensity, ModelError, TableDensity
from rheon.models import looks_like_images

RNG = np.random.default_rng(0)


def test_images_and_tables_are_told_apart(tmp_path):
    pictures = RNG.integers(0, 255, (8, 6, 6), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pictures)
    np.save(tmp_path / "rows.npy", RNG.normal(size=(9, 3)))
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    Image.fromarray(pictures[0]).save(tmp_path / "one.png")
    images = [
        pictures,
        list(pictures),
        Image.fromarray(pictures[0]),
        [Image.fromarray(pictures[0])],
        "digits",
    ]
    images += [tmp_path, tmp_path / "one.png", tmp_path / "images.npy"]
    rows = [RNG.normal(size=(9, 3)), [[1.0, 2.0]], [1.0, 2.0], tmp_path / "rows.csv", tmp_path / "rows.npy"]
    assert [looks_like_images(data) for data in images] == [True] * len(images)
    assert [looks_like_images(data) for data in rows] == [False] * len(rows)


def test_fit_picks_the_model_and_load_reads_it_back(tmp_path):
    image = rheon.fit(RNG.integers(0, 4, (20, 4, 4), dtype=np.uint8), steps=1)
    table = rheon.fit(RNG.normal(size=(30, 2)), architecture="realnvp", steps=1)
    assert isinstance(image, ImageDensity)
    assert isinstance(table, TableDensity)
    for name, model in (("i", image), ("t", table)):
        model.save(tmp_path / name)
        assert type(rheon.load(tmp_path / name)) is type(model)


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("architecture", {"name": "os.system", "arguments": {}}),
        ("architecture", {"name": "realnvp", "arguments": {"features": 2, "evil": 1}}),
        ("architecture", {"name": "realnvp", "arguments": {"features": 3, "seed": 0}}),
        ("architecture", {"name": "realnvp", "arguments": {"features": "2"}}),
        ("architecture", {"name": "realnvp", "arguments": {"features": 2, "couplings": 10**9}}),
        ("schema", {"columns": ["a"], "dtypes": ["float64"]}),
        ("schema", {}),
        ("kind", "image"),
    ],
)
def test_a_config_that_was_tampered_with_is_refused(tmp_path, section, value):
    rheon.fit(RNG.normal(size=(30, 2)), architecture="realnvp", steps=1).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config[section] = value
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(rheon.RheonError):
        rheon.load(tmp_path / "m")


def test_a_directory_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError):
        rheon.load(tmp_path)
    with pytest.raises(ModelError):
        rheon.load(tmp_path / "nothing")
    rheon.fit(RNG.normal(size=(30, 2)), steps=1).save(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        rheon.load(tmp_path / "m")
    shutil.rmtree(tmp_path / "m")


def test_another_seed_gives_other_initial_weights():
    rows = RNG.normal(size=(30, 2))
    weights = [TableDensity().fit(rows, steps=1, seed=seed).fitted.state_dict() for seed in (0, 1)]
    name = next(name for name in weights[0] if name.endswith("stem.weight"))
    assert (weights[0][name] - weights[1][name]).abs().max() > 0.1


def test_a_flow_that_its_recipe_does_not_build_is_not_saved(tmp_path):
    def narrower(columns):
        flow = rheon.architectures.realnvp(columns, couplings=2)
        for module in flow.modules():
            if hasattr(module, "bound"):
                module.bound = 0.5
        return flow

    model = TableDensity(narrower).fit(RNG.normal(size=(30, 2)), steps=1)
    with pytest.raises(rheon.RheonError, match="unchanged but for their weights"):
        model.save(tmp_path / "m")


def test_a_loaded_model_keeps_its_log(tmp_path):
    rheon.fit(RNG.normal(size=(30, 2)), steps=3).save(tmp_path / "m")
    rheon.load(tmp_path / "m").save(tmp_path / "again")
    logs = [(tmp_path / name / "training.jsonl").read_text() for name in ("m", "again")]
    assert logs[0] == logs[1]
    assert logs[0].startswith('{"step": 1,')


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model: model.sample(-1),
        lambda model: model.sample(2.5),
        lambda model: model.sample("3"),
        lambda model: model.sample(2, seed=-1),
        lambda model: model.sample(2, seed=1.5),
        lambda model: TableDensity(lambda columns: None).fit(RNG.normal(size=(30, 2)), steps=1),
        lambda model: model.fit(RNG.normal(size=(30, 2)), settings={"steps": 3}),
    ],
)
def test_wrong_arguments_are_refused_in_words(wrong):
    model = TableDensity().fit(RNG.normal(size=(30, 2)), steps=1)
    with pytest.raises(rheon.RheonError):
        wrong(model)
    assert model.sample(np.int64(3)).shape == (3, 2)
