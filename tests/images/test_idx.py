import gzip
import struct
from math import prod

import numpy as np
import pytest

from rheon.errors import DataError
from rheon.images import read_images
from rheon.images.idx import cifar, read_idx

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 4, 6), dtype=np.uint8)


def idx(array, kind=8, shape=None, magic=b"\0\0"):
    """The bytes of an IDX file, written down from its specification."""
    shape = array.shape if shape is None else shape
    return magic + bytes([kind, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + array.tobytes()


def records(n, labels=1, classes=10):
    """Binary CIFAR records, and the planes and labels in them."""
    planes = RNG.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    numbers = RNG.integers(0, classes, (n, labels), dtype=np.uint8)
    return (
        b"".join(bytes(k) + plane.tobytes() for k, plane in zip(numbers, planes, strict=True)),
        planes,
        numbers,
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "anything.dat", "no suffix"])
def test_idx_is_known_by_its_first_bytes_and_packed_or_not(tmp_path, pack, name):
    (tmp_path / name).write_bytes(pack(idx(IMAGES)))
    found = read_images(tmp_path / name)
    assert np.array_equal(found.images[:, 0], IMAGES)
    assert (found.layout, found.levels, found.labels, found.test) == ("NHW", 256, None, None)


@pytest.mark.parametrize(
    ("kind", "dtype"), [(9, ">i1"), (0xB, ">i2"), (0xC, ">i4"), (0xD, ">f4"), (0xE, ">f8")]
)
def test_all_types_of_values(tmp_path, kind, dtype):
    values = (IMAGES % 100).astype(dtype)
    (tmp_path / "x").write_bytes(idx(values, kind))
    found = read_idx(tmp_path / "x")
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(found, values)
    assert np.array_equal(read_images(tmp_path / "x").images[:, 0], IMAGES % 100)


def test_labels_and_test_images_beside_are_taken_and_said(tmp_path):
    test = RNG.integers(0, 256, (3, 4, 6), dtype=np.uint8)
    for name, array in {
        "train-images-idx3-ubyte": IMAGES,
        "train-labels-idx1-ubyte": np.arange(5, dtype=np.uint8),
        "t10k-images-idx3-ubyte": test,
        "t10k-labels-idx1-ubyte": np.array([2, 1, 0], np.uint8),
    }.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    for source in (tmp_path / "train-images-idx3-ubyte.gz", tmp_path):
        found = read_images(source)
        assert np.array_equal(found.images[:, 0], IMAGES)
        assert found.labels.tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(found.test.images[:, 0], test)
        assert found.test.labels.tolist() == [2, 1, 0]
        assert "labels from train-labels-idx1-ubyte.gz" in found.description
        assert "test images from t10k-images-idx3-ubyte.gz" in found.description
    alone = read_images(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert alone.test is None
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(DataError, match="4 labels for the 5 images"):
        read_images(tmp_path / "train-images-idx3-ubyte.gz")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (idx(IMAGES)[:-1], "damaged: its header says 5×4×6, 120 bytes, and 119 follow"),
        (idx(IMAGES) + b"\0", "121 follow"),
        (idx(IMAGES)[:9], "damaged"),
        (idx(IMAGES, shape=(2**32 - 1,) * 3), "damaged"),
        (idx(IMAGES, shape=(0, 4, 6)), "120 follow"),
        (idx(np.zeros((0, 4, 6), np.uint8)), "at least one image"),
        (idx(np.arange(5, dtype=np.uint8)), "labels, no images"),
        (idx(np.full((2, 3, 3), np.nan, ">f4"), 0xD), "NaN"),
        (idx(np.full((2, 3, 3), -1, ">i2"), 0xB), "values from -1"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-9], "cannot be read"),
        (gzip.compress(idx(IMAGES), mtime=0)[:30] + b"\0" * 40, "cannot be read|unknown kind"),
        (idx(IMAGES, kind=7), "unknown kind"),
        (idx(IMAGES, magic=b"\0\1"), "unknown kind"),
    ],
    ids=map(str, range(13)),
)
def test_damaged_files_are_refused_in_words(tmp_path, data, reason):
    (tmp_path / "images").write_bytes(data)
    with pytest.raises(DataError, match=reason):
        read_images(tmp_path / "images")


def test_a_bomb_in_gzip_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("rheon.arrays.MAX_BYTES", 10_000_000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(idx(np.zeros((30_000, 32, 32), np.uint8))))
    with pytest.raises(DataError, match="GiB of memory"):
        read_images(tmp_path / "bomb.gz")


@pytest.mark.parametrize(("labels", "classes"), [(1, 10), (2, 20)])
def test_cifar_records(tmp_path, labels, classes):
    data, planes, numbers = records(7, labels, classes)
    images, found = cifar(data, "data")
    assert np.array_equal(images, planes)
    assert np.array_equal(found, numbers[:, -1]), "the fine label of two"
    (tmp_path / "data_batch_1.bin").write_bytes(data)
    one = read_images(tmp_path / "data_batch_1.bin")
    assert np.array_equal(one.images, planes)
    assert np.array_equal(one.labels, numbers[:, -1])


def test_damaged_cifar_is_refused(tmp_path):
    data, _, _ = records(2)
    with pytest.raises(DataError, match="no whole number of records"):
        cifar(data[:-1], "data")
    with pytest.raises(DataError, match="record 1 has the label 10, of 10 classes"):
        cifar(data[:3073] + b"\x0a" + data[3074:], "data")
    (tmp_path / "x.bin").write_bytes(data[:-1])
    with pytest.raises(DataError, match="unknown kind"):
        read_images(tmp_path / "x.bin")
    assert prod((3, 32, 32)) == 3072
