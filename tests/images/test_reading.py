import numpy as np
import pytest
import torch
from PIL import Image

from rheon.datasets import load_digits
from rheon.errors import DataError, RheonError
from rheon.images.reading import read_images, to_layout, write_images

rng = np.random.default_rng(0)
GREY = rng.integers(0, 256, (6, 8, 8), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)


def test_digits_by_name():
    found = read_images("digits")
    assert np.array_equal(found.images[:, 0], load_digits().images)
    assert (found.levels, found.layout, found.names) == (17, "NHW", None)
    assert len(found) == 1797


@pytest.mark.parametrize(
    ("array", "layout", "shape"),
    [
        (GREY, "NHW", (6, 1, 8, 8)),
        (GREY[..., None], "NHWC", (6, 1, 8, 8)),
        (GREY[:, None], "NCHW", (6, 1, 8, 8)),
        (COLOUR, "NHWC", (6, 3, 8, 10)),
        (COLOUR.transpose(0, 3, 1, 2), "NCHW", (6, 3, 8, 10)),
        (COLOUR[0], "HWC", (1, 3, 8, 10)),
        (rng.integers(0, 9, (5, 4, 4, 1)), "NHWC", (5, 1, 4, 4)),  # 4×4 and grey, not 4 channels of 4×1
        (rng.integers(0, 9, (5, 3, 2, 2)), "NCHW", (5, 3, 2, 2)),
        (rng.integers(0, 9, (2, 28, 3)), "NHW", (2, 1, 28, 3)),
    ],
)
def test_layouts_are_found_said_and_restored(array, layout, shape):
    before = array.copy()
    for given in (array, torch.from_numpy(np.ascontiguousarray(array))):
        found = read_images(given)
        assert found.images.shape == shape
        assert found.images.dtype == np.uint8
        assert found.images.flags.c_contiguous
        assert found.layout == layout
        assert f"axes {layout}" in found.description
        back = to_layout(found.images, layout)
        assert np.array_equal(back[0] if layout == "HWC" else back, array)
    found.images[:] = 0
    assert np.array_equal(array, before)


@pytest.mark.parametrize("shape", [(5,), (5, 64), (5, 3, 3, 3), (5, 9, 9, 9), (2, 2, 2, 2, 2), ()])
def test_shapes_in_doubt_are_refused(shape):
    with pytest.raises(DataError, match=r"cannot be read as images with certainty.*pass layout="):
        read_images(np.zeros(shape))


def test_layout_overrules():
    cube = rng.integers(0, 256, (5, 3, 3, 3), dtype=np.uint8)
    assert np.array_equal(read_images(cube, layout="NCHW").images, cube)
    assert np.array_equal(read_images(cube, layout="NHWC").images, cube.transpose(0, 3, 1, 2))
    assert read_images(np.zeros((2, 12, 8, 8), int), layout="NCHW").images.shape == (2, 12, 8, 8)
    with pytest.raises(DataError, match=r"shape \(6, 8, 8\); expected at least one image with axes NHWC"):
        read_images(GREY, layout="NHWC")
    with pytest.raises(RheonError, match="layout='CHW'"):
        read_images(GREY, layout="CHW")
    with pytest.raises(DataError, match="at least one image"):
        read_images(GREY[:0])


@pytest.mark.parametrize(
    ("largest", "levels", "expected"),
    [
        (1, None, 2),
        (0, None, 2),
        (16, None, 17),
        (63, None, 64),
        (64, None, 256),
        (255, None, 256),
        (3, 17, 17),
        (63, 256, 256),
    ],
)
def test_levels(largest, levels, expected):
    images = np.zeros((2, 4, 4), np.int64)
    images[1, 2, 3] = largest
    found = read_images(images, levels=levels)
    assert found.levels == expected
    assert f"with {expected} levels" in found.description
    assert ("told from" in found.description) == (levels is None)


@pytest.mark.parametrize("levels", [1, 257, 0, -3, 2.5, "17"])
def test_levels_that_cannot_be(levels):
    with pytest.raises(RheonError, match="whole number from 2 to 256"):
        read_images(GREY, levels=levels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x / 255, r"values between whole numbers, from 0.* to .*; .*255 \* images"),
        (lambda x: x + 0.5, r"values between whole numbers.*round them"),
        (lambda x: x - 1.0, "values from -1.0 to"),
        (lambda x: x * 257, "0 to 255"),
        (lambda x: np.where(x == x[2, 3, 4], np.nan, x), "NaN or infinite values, the first in image"),
        (lambda x: np.where(x == x[2, 3, 4], np.inf, x), "NaN or infinite"),
        (lambda x: x.astype("U3"), "expected an array of numbers"),
    ],
)
def test_values_that_are_not_grey_levels(change, message):
    images = GREY.astype(np.float64)
    images[0, 0, 0] = 0
    with pytest.raises(DataError, match=message):
        read_images(change(images))


def test_values_beyond_the_levels_are_refused():
    with pytest.raises(DataError, match="values up to 16; with 16 levels they end at 15"):
        read_images("digits", levels=16)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint16, ">i4", bool]
)
def test_whole_numbers_of_any_dtype(dtype):
    images = (GREY % 2).astype(dtype)
    assert np.array_equal(read_images(images).images[:, 0], GREY % 2)


def test_lists_of_arrays_and_of_pictures_and_an_image_set():
    assert np.array_equal(read_images(list(GREY)).images[:, 0], GREY)
    assert np.array_equal(read_images([torch.from_numpy(image) for image in GREY]).images[:, 0], GREY)
    found = read_images([Image.fromarray(image) for image in COLOUR])
    assert np.array_equal(found.images, COLOUR.transpose(0, 3, 1, 2))
    assert found.names is None
    assert read_images(Image.fromarray(GREY[0])).images.shape == (1, 1, 8, 8)
    assert read_images(found) is found
    binary = read_images(GREY % 2)
    assert read_images(binary, levels=17).levels == 17
    with pytest.raises(DataError, match=r"differ in shape: \(8, 8\) at first, \(7, 8\) for number 3"):
        read_images([*GREY[:3], GREY[3, 1:]])


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_written_images_come_back(tmp_path, suffix):
    path = tmp_path / f"new{suffix}"
    write_images(path, COLOUR)
    first = path.read_bytes()
    found = read_images(path)
    assert np.array_equal(to_layout(found.images, "NHWC"), COLOUR)
    assert (
        f"from new{suffix}," in found.description
    )  # a model keeps the sentence, and says no path of its maker
    assert str(tmp_path) not in found.description
    write_images(str(path), torch.from_numpy(COLOUR))
    assert path.read_bytes() == first
    with pytest.raises(RheonError, match=r"new.gif; expected a name that ends in .npz or .npy"):
        write_images(tmp_path / "new.gif", COLOUR)


def test_paths_that_are_nothing(tmp_path):
    with pytest.raises(DataError, match=r"there is no file or folder .*nothing.npz"):
        read_images(tmp_path / "nothing.npz")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes.txt is of an unknown kind; expected .*\.npy, \.npz, \.png"):
        read_images(tmp_path / "notes.txt")
