import numpy as np
import pytest

from rheon import RheonError
from rheon.plots import heat, labelled_rows, sheet, side_by_side


def _grey(n, height=8, width=8, levels=17):
    return np.random.default_rng(0).integers(0, levels, (n, 1, height, width), dtype=np.uint8)


def test_images_stand_in_rows_enlarged_without_blur():
    images = _grey(6)
    page = np.asarray(sheet(images, levels=17, columns=3))
    scale, gap = 7, 4
    step = 8 * scale + gap
    for i, image in enumerate(images):
        y, x = gap + i // 3 * step, gap + i % 3 * step
        tile = page[y : y + 8 * scale, x : x + 8 * scale]
        for channel in range(3):
            np.testing.assert_array_equal(tile[::scale, ::scale, channel], np.rint(image[0] * (255 / 16)))
        assert (tile == tile[::scale, ::scale].repeat(scale, 0).repeat(scale, 1)).all()
        assert (page[y - gap : y] == 255).all(), "a white line between the rows"


def test_colours_and_the_highest_level():
    image = np.zeros((1, 3, 4, 4), np.uint8)
    image[:, 0] = 1
    page = np.asarray(sheet(image, levels=2))
    assert page[page.shape[0] // 2, page.shape[1] // 2].tolist() == [255, 0, 0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels(channels):
    assert sheet(np.zeros((5, channels, 6, 10), np.uint8)).mode == "RGB"


def test_no_image_is_refused():
    with pytest.raises(RheonError, match="at least one image"):
        sheet(np.zeros((0, 1, 8, 8), np.uint8))


def test_titles_and_as_many_of_each():
    new, real = np.full((64, 1, 8, 8), 16, np.uint8), np.full((20, 1, 8, 8), 8, np.uint8)
    whole = np.asarray(side_by_side({"new": new, "real": real}, levels=17))
    left, right = np.split(whole, 2, axis=1)
    grey = round(8 * 255 / 16)
    tile = 56 * 56
    assert (right[50:] == grey).all(-1).sum() == 20 * tile
    assert not (left[50:] == grey).all(-1).any()
    for half in (left, right):
        assert (half[:50] < 128).any(), "a title above each half"


def test_large_images_are_few_and_not_shrunk():
    images = np.zeros((64, 1, 300, 300), np.uint8)
    assert side_by_side({"new": images, "real": images}).width < 2 * 1100


def test_labelled_rows_hold_their_sheets():
    rows = {"one": _grey(4), "another": _grey(4)[::-1]}
    page = np.asarray(labelled_rows(rows, levels=17))
    strips = [np.asarray(sheet(images, 17, columns=4)) for images in rows.values()]
    assert page.shape[0] == 32 + sum(strip.shape[0] for strip in strips)
    height, width = strips[0].shape[:2]
    left = page.shape[1] - 16 - width
    np.testing.assert_array_equal(page[16 : 16 + height, left : left + width], strips[0])
    np.testing.assert_array_equal(page[16 + height : 16 + 2 * height, left : left + width], strips[1])
    assert (page[:, 16:left] < 128).any(), "the labels"


def test_heat_is_brighter_where_there_is_more():
    shown = heat(np.linspace(0, 2, 50).reshape(1, 5, 10), most=1.0)
    brightness = shown[0].astype(int).sum(0).ravel()
    assert (np.diff(brightness[:25]) > 0).all()
    assert (brightness[25:] == brightness[25]).all(), "beyond the most"
