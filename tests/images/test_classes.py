"""Classes: labels of any kind by name, shares, and a conditional density whose parts sum to the whole."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

import rheon
from rheon import DataError, ImageDensity, RheonError
from rheon.images import read_images
from rheon.images.classes import Classes
from rheon.training import Checkpoints, Settings

RNG = np.random.default_rng(0)
N = 300
LABELS = RNG.choice(3, N, p=[0.5, 0.3, 0.2])
IMAGES = np.clip(LABELS[:, None, None] * 2 + RNG.integers(0, 2, (N, 1, 2)), 0, 5).astype(np.uint8)
"""Two pixels of 6 levels: class c has the levels 2c and 2c + 1, so that images tell their class."""
SETTINGS = Settings(steps=250, threads=1, batch_size=64, learning_rate=1e-2)
EVERY = np.array(list(itertools.product(range(6), repeat=2)), np.uint8).reshape(36, 1, 2)


@pytest.fixture(scope="module")
def model():
    return ImageDensity(levels=6).fit(IMAGES, labels=LABELS, settings=SETTINGS)


def test_probabilities_given_a_class_sum_to_one_and_so_does_their_mixture(model):
    for label in range(3):
        assert np.exp(model.log_prob(EVERY, labels=label)).sum() == pytest.approx(1, abs=1e-4)
    assert np.exp(model.log_prob(EVERY)).sum() == pytest.approx(1, abs=1e-4)


def test_the_mixture_is_by_the_shares_of_training(model):
    shares = np.bincount(LABELS) / N
    each = np.stack([np.exp(model.log_prob(EVERY, labels=c)) for c in range(3)], 1)
    np.testing.assert_allclose(np.exp(model.log_prob(EVERY)), each @ shares, rtol=1e-9)
    posterior = each * shares / (each @ shares)[:, None]
    np.testing.assert_allclose(model.classify(EVERY), posterior, rtol=1e-9)


def test_classes_are_learned(model):
    assert (model.classify(IMAGES).argmax(1) == LABELS).mean() > 0.99
    right, wrong = model.log_prob(IMAGES, labels=LABELS), model.log_prob(IMAGES, labels=(LABELS + 1) % 3)
    assert right.mean() > wrong.mean() + 3


def test_samples_are_of_the_class_or_of_the_classes_by_their_shares(model):
    for label in (0, "2"):
        samples = model.sample(100, label=label, seed=1)
        assert (samples // 2 == int(label)).mean() > 0.95
    each = model.sample(4, label=[2, 0, 1, 2], seed=0)
    assert (each[:, 0, 0] // 2).tolist() == [2, 0, 1, 2]
    drawn = np.bincount(model.sample(2000, seed=2)[:, 0, 0] // 2, minlength=3) / 2000
    np.testing.assert_allclose(drawn, np.bincount(LABELS) / N, atol=0.05)
    assert np.array_equal(model.sample(70, seed=3), model.sample(70, seed=3))


def test_save_and_load_keep_classes(model, tmp_path):
    model.save(tmp_path / "m.rheon")
    loaded = rheon.load(tmp_path / "m.rheon")
    assert loaded.classes == model.classes
    assert np.array_equal(loaded.log_prob(IMAGES), model.log_prob(IMAGES))
    assert np.array_equal(loaded.sample(9, label="1", seed=0), model.sample(9, label=1, seed=0))


@pytest.mark.parametrize("architecture", ["realnvp", "spline", "nice"])
def test_every_architecture_takes_classes(architecture):
    images = np.repeat(np.repeat(IMAGES, 4, 1), 2, 2)
    model = ImageDensity(architecture, levels=6).fit(
        images, labels=LABELS, settings=Settings(steps=3, threads=1)
    )
    assert model.classify(images[:5]).sum(1) == pytest.approx(np.ones(5))
    assert model.round_trip_error(images[:5]) < 1e-3


def test_a_run_with_other_labels_is_another_run(tmp_path):
    def training(labels):
        checkpoints = Checkpoints(tmp_path / "c", tell=lambda words: None)
        settings = Settings(steps=4, threads=1, batch_size=32)
        return checkpoints, ImageDensity(levels=6).training(IMAGES, settings, checkpoints, labels)

    checkpoints, records = training(LABELS)
    next(records)
    assert checkpoints.save()
    records.close()
    assert len(list(training(LABELS)[1])) == 4
    moved = LABELS.copy()
    first, second = np.flatnonzero(LABELS == 0)[0], np.flatnonzero(LABELS == 1)[0]
    moved[[first, second]] = moved[[second, first]]
    with pytest.raises(RheonError, match="differs in labels"):
        next(training(moved)[1])
    with pytest.raises(RheonError, match="differs in"):
        next(training(None)[1])


def test_folders_are_classes_by_name(tmp_path):
    for name, level in (("boots", 10), ("bags", 200), ("hats", 90)):
        (tmp_path / name).mkdir()
        for i in range(8):
            pixels = RNG.integers(level, level + 20, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    read = read_images(tmp_path)
    model = ImageDensity().fit(tmp_path, labels=True, steps=2)
    assert model.classes == Classes(("bags", "boots", "hats"), (8, 8, 8))
    assert np.array_equal(
        model.log_prob(read, labels=True),
        model.log_prob(read, labels=["bags"] * 8 + ["boots"] * 8 + ["hats"] * 8),
    )


def test_labels_are_known_by_their_text():
    images = read_images(IMAGES[:4])
    for labels in (
        [10, 9, 10, 9],
        torch.tensor([10, 9, 10, 9]),
        [10.0, 9.0, 10.0, 9.0],
        ["10", "9", "10", "9"],
    ):
        classes, numbers = Classes.of(images, labels)
        assert (classes.names, numbers.tolist()) == (("9", "10"), [1, 0, 1, 0])
    assert np.exp(Classes(("b", "a", "c"), (1, 0, 3)).log_shares) == pytest.approx([0.25, 0, 0.75])


def test_a_class_without_images_has_no_share_and_is_never_drawn():
    classes = Classes(("a", "b", "c"), (5, 0, 5))
    drawn = classes.drawn(500, torch.Generator().manual_seed(0))
    assert sorted(set(drawn.tolist())) == [0, 2]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (LABELS[:-1], "need one each"),
        (np.zeros(N, int), "one class"),
        (LABELS + 0.5, "float64"),
        (True, "came without"),
    ],
)
def test_labels_that_are_none_are_refused(labels, says):
    with pytest.raises(DataError, match=says):
        ImageDensity(levels=6).fit(IMAGES, labels=labels, steps=1)


def test_wrong_use_is_refused_in_words(model):
    with pytest.raises(DataError, match="'7' is of no class that was learned; there are 0, 1, 2"):
        model.sample(3, label=7)
    plain = ImageDensity(levels=6).fit(IMAGES, steps=1)
    for use in (plain.classify, lambda x: plain.log_prob(x, labels=0)):
        with pytest.raises(RheonError, match="knows no classes"):
            use(IMAGES)
    with pytest.raises(RheonError, match="labels are for images"):
        rheon.fit(RNG.normal(size=(60, 2)), labels=[0] * 60, steps=1)
    with pytest.raises(RheonError, match="context_features=3"):
        ImageDensity(lambda shape: rheon.architectures.nice(shape)).fit(IMAGES, labels=LABELS, steps=1)


def test_a_config_with_other_classes_than_the_weights_is_refused(model, tmp_path):
    model.save(tmp_path / "m.rheon")
    config = (tmp_path / "m.rheon" / "config.json").read_text()
    for old, new in (('"0",', '"0", "4",'), ('"class_counts"', '"other_counts"'), ('"classes"', '"klasses"')):
        (tmp_path / "m.rheon" / "config.json").write_text(config.replace(old, new, 1))
        with pytest.raises(RheonError, match=r"config\.json"):
            rheon.load(tmp_path / "m.rheon")
