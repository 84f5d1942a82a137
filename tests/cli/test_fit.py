"""``rheon fit`` from the command line to the directory; what its parts do is tested beside them."""

import json
import os
import re
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import rheon as library
from rheon.cli.paths import BUILT_IN
from rheon.cli.progress import Lines
from rheon.datasets import TABLES, TOYS, load_digits, random_split
from rheon.training import Settings
from tests.cli.conftest import MOONS_ROWS, config

FILES = {"README.md", "config.json", "model.safetensors", "training.jsonl", "training.png"}


def test_digits_leave_a_whole_model(models):
    folder = models / "digits.rheon"
    assert {file.name for file in folder.iterdir()} == FILES | {"samples.png"}
    facts = config(folder)
    assert facts["data"]["description"].startswith("1,797 grey images of 8×8 pixels with 17 levels")
    assert [facts["data"][f"{part}_images"] for part in ("training", "validation", "test")] == [
        1294,
        144,
        359,
    ]
    assert (
        facts["training"] | {"steps": 4, "threads": 1, "device": "cpu", "test_share": 0.2}
        == facts["training"]
    )
    assert Settings.from_dict(facts["settings"]) == library.ImageDensity().settings(
        steps=4, seed=7, threads=1, batch_size=20, device="cpu"
    )
    assert len((folder / "training.jsonl").read_text().splitlines()) == 4
    model = library.load(folder)
    assert model.sample(3, seed=0).shape == (3, 8, 8), "in the layout of the data"
    assert model.levels == 17
    card = (folder / "README.md").read_text()
    assert "359" in card
    assert "1,797 grey images" in card


def test_figures_are_those_of_rows_that_training_never_saw(models):
    """The split done again here, the figure computed by the model that was saved."""
    folder = models / "digits.rheon"
    images = load_digits().images
    _, test = random_split(len(images), 0.2, seed=7)
    figures, model = config(folder)["figures"], library.load(folder)
    bits = model.bits_per_dim(images[test], seed=7)
    assert figures["bits_per_dim"] == pytest.approx(bits.mean(), abs=1e-12)
    assert figures["bits_per_dim_error"] == pytest.approx(bits.std(ddof=1) / np.sqrt(359), rel=1e-9)
    assert 2.40 < figures["histogram_bits_per_dim"] < 2.46
    assert 2.45 < figures["mixture_bits_per_dim"] < 2.70
    assert 0 < figures["round_trip_error"] < 1e-3


def test_a_density_in_the_plane_beside_the_truth(models):
    folder = models / "moons.rheon"
    assert {file.name for file in folder.iterdir()} == FILES | {"density.png"}
    figures, model = config(folder)["figures"], library.load(folder)
    x = TOYS["moons"].sample(MOONS_ROWS, 0)
    _, test = random_split(MOONS_ROWS, 0.2, 0)
    assert figures["true_log_prob"] == pytest.approx(TOYS["moons"].log_density(x[test]).mean())
    assert figures["log_prob"] == pytest.approx(model.log_prob(x[test]).mean(), abs=1e-12)
    assert figures["integral"] == pytest.approx(1, abs=2e-3)
    assert figures["gaussian_log_prob"] < figures["true_log_prob"]
    for name in ("density.png", "training.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 400


def test_what_is_printed(models, here, rheon, monkeypatch):
    monkeypatch.setattr("rheon.cli.data.TOY_ROWS", 200)
    shown = rheon("fit rings --steps 3 --architecture realnvp --out new.rheon")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "200 draws from rings, a density in the plane that is known"
    assert re.fullmatch(
        r"simpler densities on the test rows: Gaussian mixture -\d\.\d{3}, one Gaussian -\d\.\d{3}, "
        r"the true density -\d\.\d{3}",
        lines[3],
    )
    assert lines[1:3] == ["  x0  continuous", "  x1  continuous"]
    assert lines[4].startswith("realnvp, ")
    assert "thread" in lines[4]
    assert lines[4].endswith("at most 3 steps")
    assert lines[5] == "144 rows to learn from, 16 to choose weights by, 40 to test"
    for words in ("40 test rows", "this model", "Gaussian mixture", "true density", "round trip", "integral"):
        assert words in shown.out
    assert lines[-1].startswith("new.rheon: README.md, config.json, density.png")
    assert shown.err == "", "quiet where nobody watches, and training is short"


def test_hostile_names_are_text(models):
    facts = config(models / "hostile.rheon")
    assert "\\x1b[31mred" in facts["data"]["description"]
    names = ["<script>alert(1)</script>", "\x1b[31mred\x1b[0m", "=1+1", "na\nme"]
    assert [column["name"] for column in facts["schema"]] == names
    assert facts["data"]["left_out"] == [["na\nme", "constant ('text')"]]


@pytest.mark.usefixtures("bare")
def test_an_old_model_stays_until_the_new_one_is_there(here, rheon):
    words = "fit moons --architecture realnvp --steps"
    assert rheon(f"{words} 1").code == 0
    refused = rheon(f"{words} 2")
    assert (refused.code, config(here / "moons.rheon")["training"]["steps"]) == (2, 1)
    assert rheon(f"{words} 2 --overwrite").code == 0
    assert config(here / "moons.rheon")["training"]["steps"] == 2
    assert [file.name for file in here.iterdir()] == ["moons.rheon"]


@pytest.mark.usefixtures("bare")
def test_the_same_words_give_the_same_weights(here, rheon):
    for name in "ab":
        assert rheon(f"fit pinwheel --steps 3 --threads 1 --seed 5 --out {name}").code == 0
    first, second = ((here / name / "model.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_pictures_of_colour_keep_their_layout(here, rheon):
    rng = np.random.default_rng(0)
    np.savez("colours.npz", images=rng.integers(0, 256, (40, 6, 8, 3), dtype=np.uint8))
    assert rheon("fit colours.npz --architecture nice --steps 2").code == 0
    assert library.load(here / "colours.rheon").sample(2, seed=0).shape == (2, 6, 8, 3)


def test_a_column_of_the_csv_names_what_is_wrong(here, rheon):
    (here / "far.csv").write_text("a,b\n1,2\n3,inf\n" + "5,7\n" * 40)
    shown = rheon("fit far.csv")
    assert shown.code == 3
    assert "column 'b'" in shown.err
    assert "row 2" in shown.err


def test_built_in_names_are_those_of_the_data_room():
    assert set(BUILT_IN) == {"digits", "photos", *TOYS, *TABLES}


def test_log_is_whole(models):
    for line in (models / "moons.rheon" / "training.jsonl").read_text().splitlines():
        assert {"step", "loss", "validation", "learning_rate"} <= set(json.loads(line))


def test_the_log_tells_the_users_figure(models):
    """Of the last validated step, the mean over the validation rows as the model itself scores them."""
    for name, figure in (("moons", "log_prob"), ("digits", "bits_per_dim")):
        log = (models / f"{name}.rheon" / "training.jsonl").read_text()
        lines = [json.loads(line) for line in log.splitlines()]
        assert all(line["skipped"] == 0 and line["gradient_norm"] > 0 for line in lines)
        best = max((line for line in lines if line["best"]), key=lambda line: line["step"])
        if name == "moons":
            x = TOYS["moons"].sample(MOONS_ROWS, 0)
            learn, _ = random_split(MOONS_ROWS, 0.2, 0)
            _, held_out = random_split(len(learn), 0.1, 0)
            expected = library.load(models / "moons.rheon").log_prob(x[learn][held_out]).mean()
            assert best[f"validation_{figure}"] == pytest.approx(expected, abs=1e-5)
        else:
            assert best["validation_bits_per_dim"] == pytest.approx(best["validation"] / 64 / np.log(2))
        assert lines[0][f"train_{figure}"] is not None


@pytest.mark.usefixtures("bare")
def test_tensorboard_gets_each_step_once(here, rheon, monkeypatch):
    seen = []

    class Board:
        def __init__(self, folder):
            seen.append(folder)

        def __enter__(self):
            return lambda record: seen.append(record.step)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr("rheon.cli.fitting.TensorBoard", Board)
    monkeypatch.setattr("rheon.cli.fit.check_tensorboard", lambda: None)
    words = "fit moons --steps 5 --threads 1 --architecture nice --patience none --tensorboard runs"
    update = Lines.update

    def stop(self, record):
        update(self, record)
        if record.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Lines, "update", stop)
        assert rheon(words).code == 143
    assert rheon(words).code == 0
    assert seen == ["runs", 1, 2, 3, "runs", 4, 5]


def test_tensorboard_that_is_missing(here, rheon, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    shown = rheon("fit moons --tensorboard runs")
    assert (shown.code, "pip install 'rheon[tensorboard]'" in shown.err) == (2, True)


def test_labels_that_come_with_images_are_learned(here, rheon):
    words = "fit digits --labels --steps 30 --batch-size 32 --threads 1"
    shown = rheon(words)
    assert shown.code == 0
    assert re.search(r"given the class +\d\.\d{3} ±", shown.out)
    assert re.search(r"most probable class is the label's: \d+\.\d %", shown.out)
    model = library.load(here / "digits.rheon")
    assert model.classes.names == tuple("0123456789")
    drawn = rheon("sample digits.rheon -n 3 --label 7 --seed 1 --out new.npy")
    assert drawn.code == 0
    assert np.array_equal(np.load("new.npy"), model.sample(3, label=7, seed=1))
    assert "'x' is of no class" in rheon("sample digits.rheon --label x --out new.npy").err
    np.save("some.npy", load_digits().images[:6])
    assert rheon("score digits.rheon some.npy --out scores.parquet").code == 0
    table = pq.read_table(here / "scores.parquet").to_pydict()
    posterior = model.classify(load_digits().images[:6])
    assert table["most_probable_class"] == [str(c) for c in posterior.argmax(1)]
    np.testing.assert_array_equal(table["class_probability"], posterior.max(1))
    np.testing.assert_array_equal(table["log_prob_nats"], model.log_prob(load_digits().images[:6]))


def test_noise_that_is_learned_is_a_flag_and_every_figure_says_so(here, rheon):
    words = "digits --architecture realnvp --dequantise learned --steps 3 --batch-size 16 --threads 1"
    shown = rheon(f"fit {words} --out m.rheon")
    assert (shown.code, "figures of this model: ELBO with learned noise" in shown.out) == (0, True)
    assert library.load(here / "m.rheon").dequantise == "learned"
    assert config(here / "m.rheon")["figures"]["likelihood"] == "ELBO with learned noise"
    first = json.loads((here / "m.rheon/training.jsonl").read_text().splitlines()[0])
    assert first["likelihood"] == "ELBO with learned noise"
    assert "## Figures: ELBO with learned noise" in (here / "m.rheon/README.md").read_text()
    printed = rheon("score m.rheon digits --draws 2").out
    assert "(importance-weighted bound with 2 draws of learned noise)" in printed
    assert "needs no noise" in rheon("fit digits --dequantise learned --steps 2").err
    assert "--dequantise is for images" in rheon("fit moons --dequantise learned --steps 2").err


def test_labels_are_for_images_that_have_some(here, rheon):
    assert "labels are for images" in rheon("fit moons --labels --steps 2").err
    np.save("bare.npy", load_digits().images)
    assert "came without any" in rheon("fit bare.npy --labels --steps 2").err
