"""Dequantisation noise: uniform, independent, a function of the image and the seed alone."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from rheon.images.augment import Flip, Shift
from rheon.images.crops import Crops, Region
from rheon.images.noise import Dequantised, OfLevels, image_noise
from rheon.images.pixels import InMemory

IMAGES = np.random.default_rng(0).integers(0, 17, (400, 1, 6, 6), dtype=np.uint8)


def test_noise_is_uniform_over_pixels_over_images_and_below_one():
    noise = image_noise(IMAGES, seed=0, draw=0).double().numpy()
    assert noise.min() >= 0
    assert noise.max() < 1
    # 14,400 numbers: a KS distance above 0.02 would be met by chance once in 10,000 times
    assert kstest(noise.ravel(), "uniform").statistic < 0.02
    assert np.abs(noise.mean(0) - 0.5).max() < 5 * np.sqrt(1 / 12 / len(IMAGES))
    correlation = np.corrcoef(noise.reshape(len(noise), -1), rowvar=False)
    assert np.abs(correlation - np.eye(36)).max() < 5 / np.sqrt(len(IMAGES))


def test_an_image_has_its_noise_in_any_batch_and_order():
    whole = image_noise(IMAGES, seed=3, draw=1)
    assert torch.equal(image_noise(IMAGES[7:8], seed=3, draw=1), whole[7:8])
    assert torch.equal(image_noise(IMAGES[::-1], seed=3, draw=1), whole.flip(0))


def test_another_seed_draw_or_pixel_gives_other_noise():
    one = IMAGES[:1]
    swapped = one.copy()
    swapped[0, 0, 0, :2] = one[0, 0, 0, 1::-1]
    assert (swapped != one).any()
    first = image_noise(one, seed=0, draw=0)
    others = [image_noise(one, seed=1, draw=0), image_noise(one, seed=0, draw=1), image_noise(swapped, 0, 0)]
    for other in others:
        assert (first == other).float().mean() < 0.1


def test_training_noise_is_fresh_and_the_images_stay_as_they_are():
    images = torch.from_numpy(IMAGES.copy())
    source = Dequantised(images)
    rows = torch.arange(5)
    x, context = source.batch(rows, torch.Generator().manual_seed(0))
    again, _ = source.batch(rows, torch.Generator().manual_seed(1))
    assert context is None
    assert x.dtype == torch.float32
    assert torch.equal(x.floor(), images[:5].float())
    assert not torch.equal(x, again)
    assert torch.equal(images, torch.from_numpy(IMAGES))


def test_what_training_varies_is_varied_before_the_noise_and_by_the_generator_alone():
    images = torch.from_numpy(IMAGES.copy())
    rows = torch.arange(50)

    def batch(*augment, seed=0):
        return Dequantised(images, augment).batch(rows, torch.Generator().manual_seed(seed))[0]

    changed = batch(Flip(), Shift(2))
    assert torch.equal(changed, batch(Flip(), Shift(2)))
    generator = torch.Generator().manual_seed(0)
    by_hand = Shift(2)(Flip()(images[:50], generator), generator)
    assert torch.equal(changed.floor(), by_hand.float())
    assert not torch.equal(changed.floor(), images[:50].float())


@pytest.mark.parametrize("level", [0, 127, 255])
def test_of_levels_no_noise_leads_into_another_level(level):
    k, ends = torch.full((2, 1, 1, 1), level, dtype=torch.uint8), torch.tensor([0.0, 1 - 2**-24])
    assert (OfLevels().rows(k, ends.view(2, 1, 1, 1)).floor() == level).all()
    assert OfLevels().draws(8) == 1, "each draw would give the same"


def test_crops_are_drawn_by_the_generator_whether_expected_or_not():
    crops = Crops(InMemory([IMAGES[0], IMAGES[1]]), [Region(i, 0, 0, 6, 6) for i in range(2)], (3, 3))
    crops.pictures.in_memory = False
    source, rows = Dequantised(crops), torch.tensor([0, 9, 4])
    first, _ = source.batch(rows, torch.Generator().manual_seed(5))
    source.expect(rows, torch.Generator().manual_seed(5))
    second, _ = source.batch(rows, torch.Generator().manual_seed(5))
    assert torch.equal(first, second)
    assert first.shape == (3, 1, 3, 3)
    assert first.dtype == torch.float32
