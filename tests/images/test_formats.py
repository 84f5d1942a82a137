import io

import numpy as np
import pytest
from PIL import Image

from rheon.errors import DataError, RheonError
from rheon.images import Preparation, read_images
from rheon.images.formats import kind, looks_like_images

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (9, 6, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "images", "labels"),
    [
        ({"images": IMAGES}, "images", None),
        ({"anything": IMAGES}, "anything", None),
        ({"images": IMAGES, "labels": np.arange(9)}, "images", np.arange(9)),
        ({"x_train": IMAGES, "y_train": np.arange(9, dtype=np.uint8)}, "x_train", np.arange(9)),
        ({"faces": IMAGES, "y": np.arange(9), "mean": np.zeros((6, 7, 3))}, "faces", np.arange(9)),
        ({"images": IMAGES, "labels": np.arange(8)}, "images", None),
        ({"images": IMAGES, "labels": np.linspace(0, 1, 9)}, "images", None),
        ({"images": IMAGES, "names": np.array(["a"] * 9)}, "images", None),
    ],
)
def test_which_array_of_an_npz_is_the_images_and_which_the_labels(tmp_path, arrays, images, labels):
    np.savez(tmp_path / "x.npz", **arrays)
    found = read_images(tmp_path / "x.npz")
    assert np.array_equal(found.images, IMAGES.transpose(0, 3, 1, 2))
    assert found.labels is labels is None or np.array_equal(found.labels, labels)
    numeric = [name for name in arrays if name != "names"]
    assert (f"array {images!r}" in found.description) == (len(numeric) > 1)


def test_an_npz_in_doubt_or_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "two.npz", a=IMAGES, b=IMAGES)
    with pytest.raises(DataError, match="'a', 'b'"):
        read_images(tmp_path / "two.npz")
    np.savez(tmp_path / "objects.npz", images=np.array([object, 1], object))
    with pytest.raises(DataError):
        read_images(tmp_path / "objects.npz")


def test_kinds_are_told_by_suffix_or_by_first_bytes(tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.PNG")
    np.save(tmp_path / "a.npy", IMAGES)
    others = {
        "a.csv": b"1,2\n",
        "a.csv.gz": b"\x1f\x8b\x08",
        "empty": b"",
        "a.pkl": b"\x80\4K\1.",
    }
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
    kinds = {file.name: kind(file) for file in tmp_path.iterdir()}
    assert kinds.pop("a.PNG") == "picture"
    assert kinds.pop("a.npy") == "npy"
    assert set(kinds.values()) == {None}


def test_arrays_are_told_apart_by_their_headers_alone(tmp_path):
    """A file that says it is large but holds nothing: to look at its axes takes no values."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 512, 512)}
    np.lib.format.write_array_header_1_0(stream, header)
    (tmp_path / "large.npy").write_bytes(stream.getvalue())
    assert looks_like_images(tmp_path / "large.npy")
    np.savez(tmp_path / "rows.npz", X=np.zeros((9, 4)), y=np.zeros(9))
    np.savez(tmp_path / "images.npz", labels=np.zeros(9), images=IMAGES)
    assert not looks_like_images(tmp_path / "rows.npz")
    assert looks_like_images(tmp_path / "images.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4hello")
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        looks_like_images(tmp_path / "bad.npz")


def test_train_and_test_folders_are_parts(tmp_path):
    for i, image in enumerate(IMAGES):
        folder = tmp_path / ("test" if i < 3 else "train")
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    found = read_images(tmp_path)
    assert np.array_equal(found.images, IMAGES[3:].transpose(0, 3, 1, 2))
    assert np.array_equal(found.test.images, IMAGES[:3].transpose(0, 3, 1, 2))
    assert found.test.test is None
    for i in range(3):
        Image.fromarray(IMAGES[i, 1:]).save(tmp_path / "test" / f"{i}.png")
    with pytest.raises(DataError, match="the images to test on"):
        read_images(tmp_path)


def test_photos_in_any_size_that_fits():
    photos = read_images("photos", prepare=Preparation((16, 64), "random"))
    assert photos.images.shape[1:] == photos.test.images.shape[1:] == (3, 16, 64)
    with pytest.raises(DataError, match="up to 128"):
        read_images("photos", prepare=Preparation(256, "random"))
    with pytest.raises(RheonError, match="levels"):
        read_images("photos", levels=17)
