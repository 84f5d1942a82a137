"""Sources of images by what they are: their first bytes say it, where their names do not.

A new format is one function from a path to a :class:`Found`, and a line in :data:`FORMATS`.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rheon.arrays import Header, npy_header, npz_headers, read_npy, read_npz
from rheon.datasets import load_digits, load_photos
from rheon.errors import DataError
from rheon.images.crops import Crops, Region
from rheon.images.idx import cifar, cifar_labels, companion, is_idx, read_idx, unpacked
from rheon.images.imageset import to_layout
from rheon.images.members import SUFFIXES, Folder, Held, Members, Pillow, Zip, compressed_tar, tar_members
from rheon.images.parquet import image_column, parquet_members, shard_members, shards
from rheon.images.parts import parts
from rheon.images.pictures import gathered
from rheon.images.pixels import InMemory, Pixels
from rheon.images.preparation import Preparation

ARRAY_NAMES = ("images", "x", "X", "x_train", "train_images", "data")
"""Names by which the images of an archive with several arrays are known."""
_LABEL_NAMES = ("labels", "y", "Y", "y_train", "train_labels", "label")


@dataclass(frozen=True)
class Found:
    """Images as found: ``layout`` None if the axes are still to be told apart, ``names`` one an image.

    ``test``: images that were set aside to test on. ``said``: what was taken, left out or changed.
    """

    array: NDArray[Any] | Pixels
    origin: str
    layout: str | None = None
    names: tuple[str, ...] | None = None
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    levels: int | None = None
    test: "Found | None" = None
    skipped: tuple[tuple[str, str], ...] = ()
    said: tuple[str, ...] = ()


def _npy(path: Path, prepare: Preparation) -> Found:
    return Found(read_npy(path), str(path))


def _npz(path: Path, prepare: Preparation) -> Found:
    headers = npz_headers(path)
    images = _images_in(headers)
    if images is None:  # refused there in words
        return Found(read_npz(path, ARRAY_NAMES), str(path))
    array = read_npz(path, (images,))
    said = (f"array {images!r}",) if len(headers) > 1 else ()
    labels = next(
        (name for name in _LABEL_NAMES if headers.get(name, ((), None))[0] == array.shape[:1]), None
    )
    if labels is None:
        return Found(array, str(path), said=said)
    numbers = read_npz(path, (labels,))
    if numbers.dtype.kind not in "biu":
        return Found(array, str(path), said=said)
    return Found(array, str(path), labels=numbers.astype(np.int64), said=(*said, f"labels {labels!r}"))


def _images_in(headers: dict[str, Header]) -> str | None:
    """The array that is the images: of a known name, or the only bytes of three axes or more, or alone."""
    images = [name for name, (shape, _) in headers.items() if len(shape) >= 3]
    known = [name for name in ARRAY_NAMES if name in images]
    raw = [name for name in images if headers[name][1] == np.uint8]
    for names in (known, raw, [name for name in ARRAY_NAMES if name in headers], list(headers)):
        if names and (names[0] in ARRAY_NAMES or len(names) == 1):
            return names[0]
    return None


def _idx(path: Path, prepare: Preparation) -> Found:
    array = read_idx(path)
    if array.ndim < 3:
        raise DataError(f"{path} has the axes {array.shape}: labels, no images; give the file of the images")
    found = Found(array, str(path), "NHW" if array.ndim == 3 else None)
    if labels := companion(path, "labels"):
        numbers = read_idx(labels)
        if numbers.shape != array.shape[:1]:
            raise DataError(f"{labels} has {len(numbers):,} labels for the {len(array):,} images of {path}")
        found = replace(found, labels=numbers.astype(np.int64), said=(f"labels from {labels.name}",))
    if test := companion(path, "test"):
        found = replace(found, test=_idx(test, prepare), said=(*found.said, f"test images from {test.name}"))
    return found


def _cifar_file(path: Path, prepare: Preparation) -> Found:
    images, labels = cifar(unpacked(path), str(path))
    return Found(images, str(path), "NCHW", labels=labels)


def _cifar(named: Iterable[tuple[str, bytes]], origin: str) -> Found | None:
    """The CIFAR files among others, None if there are none."""
    learn, test, pickled = [], [], False
    for name, data in named:
        last = name.rsplit("/", 1)[-1]
        pickled |= last in ("data_batch_1", "test_batch") or (last in ("train", "test") and "cifar" in name)
        if last in ("test_batch.bin", "test.bin"):
            test.append(cifar(data, f"{origin} ({last})"))
        elif last == "train.bin" or (last.startswith("data_batch_") and last.endswith(".bin")):
            learn.append((last, *cifar(data, f"{origin} ({last})")))
    if pickled and not learn:
        raise DataError(
            f"{origin} is the Python version of CIFAR, pickled objects that could run code when read; take "
            "the binary version (cifar-10-binary.tar.gz or cifar-100-binary.tar.gz)"
        )
    if not learn:
        return None
    learn.sort(key=lambda part: part[0])
    images, labels = (np.concatenate([part[k] for part in learn]) for k in (1, 2))
    held = Found(test[0][0], origin, "NCHW", labels=test[0][1]) if test else None
    said = ("labels", "test images from the test file") if test else ("labels",)
    return Found(images, origin, "NCHW", labels=labels, test=held, said=said)


def _picture(path: Path, prepare: Preparation) -> Found:
    return _from_members(Held([path.name], [path.read_bytes()]), replace(prepare, strict=True), str(path))


def _tar(path: Path, prepare: Preparation) -> Found:
    if "cifar" in path.name.lower() and (found := _cifar(compressed_tar(path), str(path))):
        return found
    return _from_members(tar_members(path), prepare, f"the pictures in {path}")


def _zip(path: Path, prepare: Preparation) -> Found:
    return _from_members(Zip(path), prepare, f"the pictures in {path}")


def _parquet(path: Path, prepare: Preparation) -> Found:
    return _from_members(parquet_members(path), prepare, f"the pictures in {path}")


def _cifar_files(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """The files that may be CIFAR's; of others the name alone."""
    for file in files:
        yield file.name, unpacked(file) if file.suffix == ".bin" else b""


def folder(path: Path, prepare: Preparation) -> Found:
    """All pictures in a folder and in those below it; or the MNIST or CIFAR files in it."""
    members: Members = Folder(path)
    if not members.names:
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if found := _cifar(_cifar_files(files), str(path)):
            return found
        idx = [file for file in files if "images" in file.name and kind(file) == "idx"]
        first = next((file for file in idx if "train" in file.name), idx[0] if len(idx) == 1 else None)
        if first:
            found = _idx(first, prepare)
            return replace(found, origin=str(path), said=(f"images from {first.name}", *found.said))
        if parquet := shards(path):
            members = shard_members(parquet)
    return _from_members(members, prepare, f"the pictures in {path}")


def pictures(images: Sequence[Image.Image], prepare: Preparation) -> Found:
    """Pillow images that are in memory already; as their place in the list counts, none is left out."""
    found = _from_members(Pillow(images), replace(prepare, strict=True), "a list of pictures")
    return replace(found, names=None)


def built_in(name: str, prepare: Preparation) -> Found:
    """Data that need no file."""
    if name == "digits":
        digits = load_digits()
        return Found(digits.images, name, "NHW", labels=digits.labels.astype(np.int64))
    photos = load_photos()
    size = prepare.shape or (32, 32)
    height, width, _ = photos.pictures[0].shape
    start, stop = photos.test_columns
    held = InMemory([np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in photos.pictures])
    columns = ((0, start), (stop, width))
    rest = [Region(i, 0, left, height, right - left) for i in range(2) for left, right in columns]
    strips = [Region(i, 0, start, height, stop - start) for i in range(2)]
    learn, test = (Crops(held, regions, size) for regions in (rest, strips))
    if not len(learn) or not len(test):
        raise DataError(f"photos has no crops of {size[0]}×{size[1]} pixels; take a size up to 128")
    said = (
        f"crops of {' and '.join(photos.names)} at random places",
        f"columns {start} to {stop} of both kept apart to test on",
    )
    return Found(learn, name, "NHWC", levels=256, said=said, test=Found(test, name, "NHWC", levels=256))


FORMATS: dict[str, Callable[[Path, Preparation], Found]] = {
    "npy": _npy,
    "npz": _npz,
    "picture": _picture,
    "idx": _idx,
    "cifar": _cifar_file,
    "tar": _tar,
    "zip": _zip,
    "parquet": _parquet,
}

BUILT_IN = ("digits", "photos")
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


def kind(path: Path) -> str | None:
    """Which of :data:`FORMATS` a file is, None if none: by suffix, else by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return suffix[1:]
    if suffix in SUFFIXES:
        return "picture"
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    packed, size = head[:2] == b"\x1f\x8b", path.stat().st_size
    if packed:
        head = _unpacked_head(head)
    if is_idx(head):
        return "idx"
    if head[257:262] == b"ustar" or path.name.lower().endswith(
        (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
    ):
        return "tar"
    if head[:4] == b"PK\x03\x04" and not packed:
        return "zip"
    if head[:4] == b"PAR1" and image_column(path):
        return "parquet"
    if suffix == ".bin" and (packed or cifar_labels(size, head)):
        return "cifar"
    return None


def looks_like_images(path: Path) -> bool:
    """Whether a file or folder holds images and no table. Of arrays only the headers are read."""
    if path.is_dir():
        return bool(shards(path)) or not any(path.glob("*.parquet"))
    found = kind(path) if path.is_file() else None
    if found == "npy":
        return len(npy_header(path)[0]) >= 3
    if found == "npz":
        headers = npz_headers(path)
        images = _images_in(headers)
        return images is not None and len(headers[images][0]) >= 3
    return found is not None


def _unpacked_head(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 512)  # 31: gzip
    except zlib.error:
        return b""


def _from_members(members: Members, prepare: Preparation, origin: str) -> Found:
    if not members.names:
        raise DataError(f"{origin}: there are none; expected files that end in {', '.join(SUFFIXES)}")
    found = parts(members)
    learn = _gathered(found.learn, prepare, origin, found.classes)
    if found.test is None:
        return replace(learn, said=(*found.said, *learn.said))
    test = _gathered(found.test, prepare, origin, found.classes)
    return replace(learn, test=test, said=(*found.said, *learn.said), skipped=learn.skipped + test.skipped)


def _gathered(members: Members, prepare: Preparation, origin: str, classes: tuple[str, ...] | None) -> Found:
    of = gathered(members, prepare, origin)
    labels = None if members.labels is None else members.labels[of.rows]
    said = of.changes + ((f"{len(of.skipped):,} left out",) if of.skipped else ())
    names = tuple(members.names[row] for row in of.rows)
    layout = "NHWC" if of.images.shape[1] == 3 else "NHW"
    images = to_layout(of.images, layout) if isinstance(of.images, np.ndarray) else of.images
    found = Found(images, origin, layout, names, labels, classes, of.levels)
    return replace(found, skipped=of.skipped, said=said)
