import numpy as np
import pytest
from PIL import Image

from rheon.errors import RheonError
from rheon.images import Preparation
from rheon.images.preparation import decoded

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 32, 3), dtype=np.uint8)


def made(picture, mode="RGB", **options):
    return decoded(Image.fromarray(picture), mode, Preparation(**options))


def test_the_size_that_it_has_changes_nothing():
    for crop in ("center", "none", "random"):
        assert np.array_equal(made(PICTURE, size=(20, 32), crop=crop), PICTURE.transpose(2, 0, 1))


def test_the_middle_is_the_largest_rectangle_of_that_shape():
    """A picture whose columns are told by their value: those of the middle 20 are left of 32, halved."""
    picture = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None] * 8, PICTURE.shape)
    image = made(np.ascontiguousarray(picture), size=10)
    assert image.shape == (3, 10, 10)
    np.testing.assert_allclose(image[0, 5], (np.arange(6, 26, 2) + 0.5) * 8, atol=3)
    assert np.ptp(image, axis=1).max() == 0


def test_all_of_it_is_kept_and_stretched():
    picture = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None] * 8, PICTURE.shape)
    image = made(np.ascontiguousarray(picture), size=(10, 8), crop="none")
    assert image.shape == (3, 10, 8)
    np.testing.assert_allclose(image[0, 5], (np.arange(0, 32, 4) + 1.5) * 8, atol=5)


def test_crops_are_cut_later():
    assert np.array_equal(made(PICTURE, size=8, crop="random"), PICTURE.transpose(2, 0, 1))


def test_grey_is_luma_and_grey_in_colour_is_three_times_the_same():
    luma = PICTURE @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(made(PICTURE, "L")[0], luma, atol=0.51)
    grey = PICTURE[..., 0]
    assert np.array_equal(made(grey, "RGB"), np.stack([grey] * 3))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": (4, 5000)},
        {"size": 2.5},
        {"size": (3,)},
        {"size": "32"},
        {"crop": "left"},
        {"crop": "random"},
        {"background": "grue"},
    ],
)
def test_what_cannot_be_asked_for(options):
    with pytest.raises(RheonError, match=r"size|crop|background"):
        Preparation(**options)
