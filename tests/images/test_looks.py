"""What a model holds: corners, kept latents and places, each checked against its definition."""

import math

import numpy as np
import pytest
import torch

from rheon import DataError, ImageDensity, RheonError
from rheon.architectures import multiscale_realnvp, nice
from rheon.bijections import Composition, Coupling, FactorOut, Logit, Squeeze
from rheon.conditioners import ConvNet
from rheon.datasets import load_digits
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.flow import Flow
from rheon.images import looks
from rheon.images.noise import image_noise
from rheon.partitions import Channels
from rheon.training import Settings

DIGITS = load_digits().images


@pytest.fixture(scope="module")
def model():
    build = lambda shape: multiscale_realnvp(shape, levels=2, width=8, blocks=1)  # noqa: E731
    return ImageDensity(build).fit(DIGITS, settings=Settings(steps=60, batch_size=64, threads=1))


def test_temperature_scales_the_same_draws(model):
    found = looks.at_temperatures(model, 5, (0.0, 1.0), seed=4)
    assert found.shape == (2, 5, 1, 8, 8)
    assert (found[0] == found[0, :1]).all(), "z = 0 is one image"
    np.testing.assert_array_equal(found[1, :, 0], model.sample(5, seed=4))


def test_the_corners_of_an_interpolation_are_the_images(model):
    grid = looks.interpolation(model, DIGITS[:4], steps=5)
    corners = grid[[0, 0, -1, -1], [0, -1, 0, -1], 0]
    np.testing.assert_array_equal(corners, DIGITS[:4])


def test_inside_an_interpolation_the_latent_is_the_papers(model):
    grid = looks.interpolation(model, DIGITS[:4], steps=4)
    x = torch.from_numpy(DIGITS[:4, None]) + image_noise(DIGITS[:4, None], 0, 0)
    with torch.no_grad():
        z1, z2, z3, z4 = model.flow.bijection(x)[0]
        a, b = math.pi / 6, math.pi / 3  # row 1, column 2
        z = math.cos(a) * (math.cos(b) * z1 + math.sin(b) * z2)
        z += math.sin(a) * (math.cos(b) * z3 + math.sin(b) * z4)
        expected = model.flow.bijection.inverse(z[None])[0].floor().clamp(0, 16)
    np.testing.assert_array_equal(grid[1, 2], expected[0])


def test_scales_keep_the_coarser_latents(model):
    rows = looks.scales(model, DIGITS[:6], seed=1)
    np.testing.assert_array_equal(rows[0, :, 0], DIGITS[:6])
    np.testing.assert_array_equal(rows[2, :, 0], model.sample(6, seed=1))
    x = torch.from_numpy(DIGITS[:6, None]) + image_noise(DIGITS[:6, None], 1, 0)
    with torch.no_grad():
        kept = model.flow.latents(x)[1]
        anew = model.flow.base.sample(6, generator=torch.Generator().manual_seed(1))
        z = torch.cat([kept.flatten(1), anew[:, kept[0].numel() :]], 1)  # the last latent stands first
        expected = model.flow.bijection.inverse(z)[0].floor().clamp(0, 16)
    np.testing.assert_array_equal(rows[1], expected)


def test_reconstruction_is_the_image(model):
    np.testing.assert_array_equal(looks.reconstruction(model, DIGITS[:100])[:, 0], DIGITS[:100])


def test_nearest_finds_what_a_loop_finds():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 2, 3, 3), dtype=np.uint8)
    among = rng.integers(0, 256, (5000, 2, 3, 3), dtype=np.uint8)
    among[4500] = images[7]
    index, distance = looks.nearest(images, among)
    for i, image in enumerate(images):
        each = np.sqrt(((among.astype(float) - image) ** 2).mean((1, 2, 3)))
        assert index[i] == each.argmin()
        assert distance[i] == pytest.approx(each.min(), abs=1e-4)
    assert (index[7], distance[7]) == (4500, 0.0)


def test_bits_add_up_to_the_figure(model):
    bits = looks.bits_map(model, DIGITS[:100])
    np.testing.assert_allclose(bits.mean((1, 2)), model.bits_per_dim(DIGITS[:100]), rtol=1e-5)


def test_bits_stand_where_they_arise():
    """Affine maps that begin as the identity: p is a product over pixels, whose terms are known."""

    def build(shape):
        inner = Composition([Coupling(Channels(), Affine(), ConvNet(1, 2, 4, 1))])
        layers = [Squeeze(), Coupling(Channels(), Affine(), ConvNet(2, 4, 4, 1))]
        return Flow(
            Composition([*layers, FactorOut(Channels(), inner, (4, 4, 4))]), StandardNormal(64), shape
        )

    model = ImageDensity(build).fit(DIGITS, settings=Settings(steps=1, learning_rate=1e-9, threads=1))
    x = torch.from_numpy(DIGITS[:3, None]) + image_noise(DIGITS[:3, None], 0, 0)
    z, _ = Logit(17, 0.01)(x)
    slope = 0.98 / 17 / (torch.sigmoid(z) * torch.sigmoid(-z))
    each = (0.5 * z**2 + 0.5 * math.log(2 * math.pi) - slope.log()) / math.log(2)
    bits = looks.bits_map(model, DIGITS[:3])
    # The latents have half of the images' resolution: within a block of 2×2 their bits are shared out.
    blocks = each[:, 0].double().unflatten(2, (4, 2)).unflatten(1, (4, 2)).sum((2, 4))
    np.testing.assert_allclose(bits.reshape(3, 4, 2, 4, 2).sum((2, 4)), blocks, atol=2e-4)


@pytest.mark.parametrize("colours", [1, 3])
def test_of_image_flow_each_value_has_the_bits_of_its_own_probability(colours):
    """The last phase to be told is (1, 0): its pixels' probabilities sum to 1, and move no others' bits."""
    images = np.random.default_rng(0).integers(0, 4, (80, 8, 8, colours), dtype=np.uint8).cumsum(2) % 5
    model = ImageDensity(levels=5).fit(images, settings=Settings(steps=20, threads=1))
    bits = looks.bits_map(model, images[:9])
    np.testing.assert_allclose(bits.sum((1, 2)), colours * 64 * model.bits_per_dim(images[:9]), rtol=1e-6)
    every = np.repeat(images[:1], 5**colours, 0)
    every[:, 3, 4] = np.stack(np.meshgrid(*colours * [range(5)]), -1).reshape(-1, colours)
    of_each = looks.bits_map(model, every)
    assert (2 ** -of_each[:, 3, 4]).sum() == pytest.approx(1, abs=1e-4)
    others = of_each.copy()
    others[:, 3, 4] = 0
    np.testing.assert_allclose(others, np.broadcast_to(others[0], others.shape), atol=1e-5)


def test_a_flow_of_vectors_has_no_places():
    model = ImageDensity(lambda shape: nice(shape, hidden=(8,))).fit(DIGITS, steps=2)
    with pytest.raises(RheonError, match="places"):
        looks.bits_map(model, DIGITS[:1])


def test_other_numbers_of_corners_are_refused(model):
    with pytest.raises(DataError, match="4 images, got 3"):
        looks.interpolation(model, DIGITS[:3])
    with pytest.raises(RheonError, match="steps"):
        looks.interpolation(model, DIGITS[:4], steps=1)
