import numpy as np
import pytest
import torch

from rheon.errors import RheonError
from rheon.images.augment import Flip, Shift

K = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (400, 2, 5, 7), dtype=np.uint8))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_half_of_the_images_are_mirrored_and_no_other_pixel_moves():
    flipped = Flip()(K, seeded())
    same = (flipped == K).flatten(1).all(1)
    mirrored = (flipped == K.flip(-1)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 140 < int(mirrored.sum()) < 260  # six standard deviations
    assert flipped.dtype == torch.uint8


def test_a_shift_is_that_of_numpy_with_the_border_repeated():
    shifted = Shift(2)(K, seeded()).numpy()
    padded = np.pad(K.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    seen = set()
    for i, image in enumerate(shifted):
        places = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if np.array_equal(image, padded[i, :, dy : dy + 5, dx : dx + 7])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 25, "each direction and distance, alone and together"


@pytest.mark.parametrize("change", [Flip(), Shift(3)])
def test_the_generator_alone_decides_and_the_images_stay(change, untouched_rng):
    before = K.clone()
    assert torch.equal(change(K, seeded(1)), change(K, seeded(1)))
    assert not torch.equal(change(K, seeded(1)), change(K, seeded(2)))
    assert torch.equal(K, before)


@pytest.mark.parametrize("pixels", [0, -1, 1.5, "2", True])
def test_a_shift_by_no_whole_number_is_refused(pixels):
    with pytest.raises(RheonError, match="pixels"):
        Shift(pixels)
