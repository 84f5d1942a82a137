import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from rheon import ImageDensity, load
from rheon.architectures import multiscale_realnvp
from rheon.datasets import load_digits
from rheon.images import anomaly_scores
from rheon.images.anomaly import compressed_bits, typical_nll
from rheon.images.noise import image_noise
from rheon.training import Settings

DIGITS = load_digits().images


@pytest.fixture(scope="module")
def model():
    build = lambda shape: multiscale_realnvp(shape, levels=2, width=8, blocks=1)  # noqa: E731
    return ImageDensity(build).fit(DIGITS, settings=Settings(steps=150, batch_size=64, threads=1))


def test_each_score_by_its_definition(model):
    scores = anomaly_scores(model, DIGITS[:70], seed=3)
    nll = model.bits_per_dim(DIGITS[:70], seed=3)
    np.testing.assert_array_equal(scores["nll"], nll)
    best = min(record.validation for record in model.history if record.validation is not None)
    np.testing.assert_allclose(scores["typicality"], abs(nll - best / 64 / np.log(2)))
    x = torch.from_numpy(DIGITS[:70, None]) + image_noise(DIGITS[:70, None], 3, 0)
    with torch.no_grad():
        z = model.flow.bijection(x)[0].double()
    np.testing.assert_allclose(scores["latent_norm"], abs((z**2).mean(1) - 1), atol=1e-6)
    np.testing.assert_allclose(nll - scores["complexity"], compressed_bits(DIGITS[:70, None], 17) / 64)


def test_the_compressor_is_the_better_of_two():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 16, 16), dtype=np.uint8)
    picture = Image.fromarray(np.moveaxis(noise, 0, -1))
    sizes = []
    for form, options in (("png", {"optimize": True}), ("webp", {"lossless": True})):
        stream = io.BytesIO()
        picture.save(stream, form, **options)
        sizes.append(8 * len(stream.getvalue()))
    flat = np.zeros((3, 16, 16), np.uint8)
    found = compressed_bits(np.stack([noise, flat]))
    assert found[0] == min(sizes)
    assert found[0] > 3 * 16 * 16 * 8 > 10 * found[1]


def test_images_that_are_too_simple_are_odd_by_complexity_only(model):
    """Flat images cost few bits: by nll they are the most ordinary of all, by the score that mends it odd."""
    flat = np.repeat(np.arange(2, dtype=np.uint8), 100)[:, None, None] * np.ones((8, 8), np.uint8)
    both = np.concatenate([DIGITS[:200], flat])
    odd = np.repeat([0, 1], 200)
    scores = anomaly_scores(model, both)
    assert roc_auc_score(odd, scores["nll"]) < 0.5
    assert roc_auc_score(odd, scores["complexity"]) > 0.8


def test_a_loaded_model_knows_what_was_typical(tmp_path):
    model = ImageDensity("realnvp").fit(DIGITS, steps=4)
    model.save(tmp_path / "m")
    assert typical_nll(load(tmp_path / "m")) == typical_nll(model)
