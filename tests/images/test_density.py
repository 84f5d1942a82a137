"""ImageDensity: figures in the data's own units, worked out another way; bits independent of the batch."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image

import rheon
from rheon import DataError, ImageDensity, RheonError
from rheon.architectures import multiscale_realnvp, nice
from rheon.images import Flip, Preparation, read_images
from rheon.training import Checkpoints, Settings

RNG = np.random.default_rng(0)
IMAGES = (RNG.random((400, 4, 4)) ** 2 * 5).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> ImageDensity:
    return ImageDensity().fit(IMAGES, settings=Settings(steps=30, batch_size=64, threads=1))


def test_two_pixel_images_have_probabilities_that_sum_to_one():
    """Σ P(k) over all 3² images, P(k) = ∫ p(k + u) du on a grid: nothing is lost but the tails beyond."""
    images = RNG.choice(3, (300, 1, 2), p=[0.6, 0.1, 0.3]).astype(np.uint8)
    model = ImageDensity(lambda shape: nice(shape, hidden=(16,))).fit(
        images, settings=Settings(steps=150, threads=1, learning_rate=1e-2)
    )
    flow = model.fitted.double()
    side = (torch.arange(3 * 200, dtype=torch.float64) + 0.5) / 200
    x = torch.cartesian_prod(side, side).view(-1, 1, 1, 2)
    with torch.no_grad():
        inside = float(flow(x).exp().sum() / 200**2)
        outside = 1 - inside
        # The logit's margin α leaves room beyond [0, 3], where a trained density puts little.
        sampled = flow.sample(20_000, generator=torch.Generator().manual_seed(0))
    beyond = float(((sampled < 0) | (sampled > 3)).flatten(1).any(1).double().mean())
    assert inside < 1 + 1e-3
    assert outside == pytest.approx(beyond, abs=0.01)


def test_bits_per_dim_counts_every_jacobian():
    """-log2 p / D by hand: dequantise, squeeze, logit, flow, each log-determinant from its own formula."""
    model = ImageDensity("realnvp").fit(IMAGES, settings=Settings(steps=30, batch_size=64, threads=1))
    images = torch.from_numpy(IMAGES[:20, None].copy())
    flow = model.fitted
    from rheon.images.noise import image_noise

    x = images + image_noise(images.numpy(), 0, 0)
    v = 0.01 + 0.98 * x.double() / model.levels
    log_dv = torch.log(0.98 / model.levels / (v * (1 - v))).flatten(1).sum(1)
    inner = flow.bijection.bijections[1]
    with torch.no_grad():
        z, log_det = inner(torch.log(v / (1 - v)).float())
    log_p = -0.5 * (z.double() ** 2).flatten(1).sum(1) - 8 * math.log(2 * math.pi) + log_det.double() + log_dv
    expected = -log_p / (16 * math.log(2))
    np.testing.assert_allclose(model.bits_per_dim(IMAGES[:20]), expected.numpy(), atol=1e-5)


def test_without_a_logit_log_p_is_that_of_the_levels(model):
    """Under the default one pixel given the others has probabilities that sum to 1, whatever the noise."""
    one_pixel = ImageDensity(levels=5).fit(
        (RNG.random((300, 1, 1)) ** 2 * 5).astype(np.uint8), settings=Settings(steps=100, threads=1)
    )
    every = np.arange(5, dtype=np.uint8).reshape(5, 1, 1)
    probabilities = np.exp([one_pixel.log_prob(every, seed=seed) for seed in (0, 1)])
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(probabilities[0], probabilities[1], rtol=1e-4)


def test_noise_leads_from_no_level_into_the_next(model):
    for x, _ in model.dequantised(IMAGES):
        u = x - x.floor()
        assert float(u.min()) >= 1 / 256 - 1e-6
        assert float(u.max()) <= 255 / 256 + 1e-6


@pytest.mark.parametrize("size", [1, 2, 3, 7, 31, 100])
def test_a_score_has_the_same_bits_in_any_batch(model, size):
    whole = model.log_prob(IMAGES)
    assert np.array_equal(model.log_prob(IMAGES[9 : 9 + size]), whole[9 : 9 + size])
    assert np.array_equal(model.log_prob(IMAGES[::-1])[::-1], whole)


def test_more_draws_tighten_the_bound():
    model = ImageDensity("realnvp").fit(IMAGES, settings=Settings(steps=30, batch_size=64, threads=1))
    one = np.mean([model.log_prob(IMAGES, seed=s).mean() for s in range(4)])
    many = model.log_prob(IMAGES, draws=16).mean()
    assert many > one
    by_hand = np.logaddexp(*(model._score(lambda r, d=d: _noisy(r, d), 50) for d in (0, 1))) - math.log(2)
    np.testing.assert_allclose(model.log_prob(IMAGES[:50], draws=2), by_hand, rtol=1e-12)


def _noisy(rows: slice, draw: int):
    from rheon.images.noise import image_noise

    k = IMAGES[:50, None][rows]
    return torch.from_numpy(k) + image_noise(k, 0, draw), None


def test_save_and_load_give_the_same_bits(model, tmp_path):
    model.save(tmp_path / "m.rheon")
    loaded = rheon.load(tmp_path / "m.rheon")
    assert isinstance(loaded, ImageDensity)
    assert np.array_equal(loaded.log_prob(IMAGES), model.log_prob(IMAGES))
    assert np.array_equal(loaded.sample(10, seed=4), model.sample(10, seed=4))
    assert (tmp_path / "m.rheon" / "training.jsonl").read_text().count("\n") == len(model.history)
    with pytest.raises(RheonError):
        model.save(tmp_path / "m.rheon")


def test_samples_are_images_of_the_kind_that_was_learned(model, untouched_rng):
    samples = model.sample(70, seed=0)
    assert samples.shape == (70, 4, 4)
    assert samples.dtype == np.uint8
    assert samples.max() < model.levels
    assert np.array_equal(samples, model.sample(70, seed=0))
    assert not np.array_equal(samples, model.sample(70))
    assert abs(samples.mean() - IMAGES.mean()) < 0.5


def test_colour_images_come_back_in_their_layout():
    colour = RNG.integers(0, 8, (40, 4, 4, 3), dtype=np.uint8)
    model = ImageDensity(lambda shape: multiscale_realnvp(shape, levels=1, width=8, blocks=1)).fit(
        colour, steps=2
    )
    assert model.sample(3).shape == (3, 4, 4, 3)
    assert np.array_equal(model.log_prob(np.moveaxis(colour, -1, 1)), model.log_prob(colour))


def test_an_array_that_could_be_read_in_two_ways_is_read_as_the_training_images_were():
    square = RNG.integers(0, 8, (40, 4, 4, 4), dtype=np.uint8)
    with pytest.raises(DataError, match="layout"):
        ImageDensity().fit(square, steps=1)
    model = ImageDensity(layout="NHWC").fit(square, steps=1)
    assert model.log_prob(square).shape == (40,)
    assert model.log_prob(model.sample(5)).shape == (5,)


def test_round_trip_is_within_a_thousandth_of_a_grey_level(model):
    assert model.round_trip_error(IMAGES) < 1e-3


def test_training_can_be_stopped_and_leaves_a_model_that_scores():
    model = ImageDensity()
    records = model.training(IMAGES, model.settings(steps=1000, threads=1))
    assert len(list(itertools.islice(records, 3))) == 3
    records.close()
    assert len(model.history) == 3
    assert not model.fitted.training
    assert np.isfinite(model.log_prob(IMAGES)).all()


def test_pictures_that_are_left_out_are_told(model, tmp_path):
    for i, image in enumerate(IMAGES[:20]):
        Image.fromarray(image * 51).save(tmp_path / f"{i:02}.png")
    (tmp_path / "03.png").write_bytes(b"hello")
    with pytest.warns(UserWarning, match=r"1 picture left out: 03\.png: cannot be read as a picture"):
        fitted = ImageDensity().fit(tmp_path, steps=1)
    assert "1 left out" in fitted.info["data"]["description"]
    with pytest.warns(UserWarning, match=r"03\.png"):
        assert fitted.log_prob(tmp_path).shape == (19,)
    read = read_images(tmp_path)
    assert np.array_equal(fitted.log_prob(read), fitted.log_prob(read.images))


def test_a_run_on_crops_that_was_broken_off_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("rheon.images.pictures.MEMORY", 0)
    (tmp_path / "p").mkdir()
    for i in range(3):
        Image.fromarray(RNG.integers(0, 256, (20, 24), dtype=np.uint8)).save(tmp_path / "p" / f"{i}.png")
    photographs = read_images(tmp_path / "p", prepare=Preparation(4, "random"))
    settings = Settings(steps=8, batch_size=16, threads=1)

    def training(name):
        checkpoints = Checkpoints(tmp_path / name, tell=lambda words: None)
        model = ImageDensity("nice", augment=[Flip()])
        return model, checkpoints, model.training(photographs, settings, checkpoints)

    whole, _, records = training("whole")
    assert len(list(records)) == 8
    _, checkpoints, records = training("broken")
    assert len(list(itertools.islice(records, 5))) == 5
    assert checkpoints.save()
    records.close()
    again, _, records = training("broken")
    assert len(list(records)) == 8
    for first, second in zip(whole.fitted.parameters(), again.fitted.parameters(), strict=True):
        assert torch.equal(first, second)
    photographs = photographs.take(np.arange(100))
    with pytest.raises(RheonError, match="differs in data"):
        next(training("broken")[2])


def test_pictures_are_prepared_as_the_model_learned_them(tmp_path):
    (tmp_path / "p").mkdir()
    for i in range(12):
        Image.fromarray(RNG.integers(0, 256, (20, 24), dtype=np.uint8)).save(tmp_path / "p" / f"{i}.png")
    prepared = read_images(tmp_path / "p", prepare=Preparation(4, "none", strict=True))
    model = ImageDensity().fit(prepared, steps=1)
    model.save(tmp_path / "m.rheon")
    loaded = rheon.load(tmp_path / "m.rheon")
    assert loaded.preparation == Preparation((4, 4), "none")
    assert np.array_equal(loaded.log_prob(tmp_path / "p"), model.log_prob(prepared))
    cropped = read_images(tmp_path / "p", prepare=Preparation(4, "center"))
    assert not np.array_equal(loaded.log_prob(tmp_path / "p"), loaded.log_prob(cropped))
    config = (tmp_path / "m.rheon" / "config.json").read_text()
    (tmp_path / "m.rheon" / "config.json").write_text(config.replace('"none"', '"odd"'))
    with pytest.raises(RheonError, match=r"config\.json .*crop='odd'"):
        rheon.load(tmp_path / "m.rheon")


def test_flips_and_shifts_are_for_training_alone():
    images = np.zeros((64, 4, 4), np.uint8)
    images[:, :, 0] = 3
    settings = Settings(steps=60, threads=1, learning_rate=1e-2, batch_size=64)
    plain, varied = (
        ImageDensity("nice", levels=4, augment=augment).fit(images, settings=settings)
        for augment in ((), [Flip()])
    )
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    apart, left = (
        model.log_prob(images).mean() - model.log_prob(mirrored).mean() for model in (plain, varied)
    )
    assert apart > 10
    assert abs(left) < apart / 4
    scored = varied.log_prob(images)
    assert len(np.unique(scored)) == 1, "evaluation changes no image"


def test_wrong_use_is_refused_in_words(model):
    with pytest.raises(RheonError, match=r"call fit\(data\) first"):
        ImageDensity().log_prob(IMAGES)
    with pytest.raises(DataError, match=r"1×6×6.*1×4×4"):
        model.log_prob(np.zeros((2, 6, 6), np.uint8))
    with pytest.raises(DataError, match="levels"):
        model.log_prob(np.full((2, 4, 4), 99, np.uint8))
    with pytest.raises(DataError, match="too few"):
        ImageDensity().fit(IMAGES[:3], steps=1)
    with pytest.raises(RheonError, match="known for images"):
        ImageDensity("realnpv")
    with pytest.raises(RheonError, match="draws"):
        model.log_prob(IMAGES, draws=0)
