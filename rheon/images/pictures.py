"""Encoded pictures to images of one kind. What cannot be used is left out by name, what was changed is said.

Sizes and modes are looked at first, which takes no decoding. Then all is decoded into memory, by several
threads, unless it is more than the memory allotted: in that case each row is decoded when it is asked for.
"""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rheon.arrays import check_room
from rheon.errors import DataError
from rheon.images.crops import Crops, Region
from rheon.images.members import Members
from rheon.images.pixels import InMemory, Pixels, Scaled
from rheon.images.preparation import Head, Preparation, decoded, head

MEMORY = 2 << 30
"""Bytes of decoded pictures that are held; more are decoded when they are asked for."""

_ALIKE = 0.9
"""Without a size to bring them to, at least this share of the pictures must have the same."""
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


@dataclass(frozen=True)
class Gathered:
    """Images, the rows of :class:`Members` that they come from, what was left out, and what was changed."""

    images: NDArray[np.uint8] | Pixels
    rows: NDArray[np.int64]
    levels: int | None
    skipped: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]


class Encoded:
    """Pictures that are decoded each time they are asked for.

    Args:
        members: the pictures.
        heads: (number of the member, its head) of those to use.
        mode: the plain mode of all.
        prepare: what to do with them.
    """

    in_memory = False

    def __init__(
        self, members: Members, heads: Sequence[tuple[int, Head]], mode: str, prepare: Preparation
    ) -> None:
        self._members, self._heads, self._mode, self._prepare = members, heads, mode, prepare
        shape = None if prepare.crop == "random" else prepare.shape
        self.sizes: Sequence[tuple[int, int]] = [shape or (h.height, h.width) for _, h in heads]
        self.channels = 3 if mode == "RGB" else 1

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """uint8 (C, H, W)."""
        name = self.name(index)
        try:
            with opened(self._members.checked(self._heads[index][0])) as image:
                array = decoded(image, self._mode, self._prepare)
        except DataError as error:
            raise DataError(f"{name}: {error}; repair or remove it") from error
        if array.shape != (self.channels, *self.sizes[index]):
            raise DataError(f"{name} has changed since it was first looked at; start again")
        return array

    def name(self, index: int) -> str:
        """The member's name."""
        return self._members.names[self._heads[index][0]]

    def identity(self) -> bytes:
        """SHA-256 of names, lengths and what is done with them, not of what they hold."""
        digest = sha256(f"{self._prepare} {self._mode}".encode())
        for member, seen in self._heads:
            digest.update(f"{self._members.names[member]} {self._members.sizes[member]} {seen}".encode())
        return digest.digest()


def gathered(members: Members, prepare: Preparation, origin: str, memory: int | None = None) -> Gathered:
    """All members that can be used, as images of one size and kind."""
    left_out = _Skipped(prepare.strict, len(members.names))
    heads = _heads(members, prepare, left_out)
    heads = _of_one_size(heads, members, prepare, origin, left_out)
    mode = _mode([seen for _, seen in heads], prepare)
    pictures = Encoded(members, heads, mode, prepare)
    changes = _changes([seen for _, seen in heads], mode, prepare)
    rows = np.array([i for i, _ in heads], np.int64)
    levels = 2 if mode == "1" else None
    held = sum(pictures.channels * prod(size) for size in pictures.sizes)
    if held > (MEMORY if memory is None else memory):
        changes = (*changes, "decoded as they are wanted")
        if prepare.strict:
            for _ in _all_decoded(pictures, left_out):
                pass
        if prepare.crop == "random":
            crops = _crops(pictures, prepare)
            return Gathered(crops, rows[crops.pictures_of], levels or 256, left_out.all, changes)
        return Gathered(Scaled(pictures), rows, levels or 256, left_out.all, changes)
    check_room(held, origin)
    whole = dict(_all_decoded(pictures, left_out))
    if not whole:
        raise DataError(f"{origin}: no picture can be used; {left_out.told}")
    arrays, rows = list(whole.values()), rows[list(whole)]
    if prepare.crop == "random":
        crops = _crops(InMemory(arrays), prepare)
        return Gathered(crops, rows[crops.pictures_of], levels or 256, left_out.all, changes)
    return Gathered(np.stack(arrays), rows, levels, left_out.all, changes)


def _heads(members: Members, prepare: Preparation, left_out: "_Skipped") -> list[tuple[int, Head]]:
    heads = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused in words
        for i, name in enumerate(members.names):
            try:
                with opened(data := members.checked(i)) as image:
                    # Pillow makes 8 bits of 16 in colour and says nothing; byte 24 of a PNG is its depth.
                    depth = data[24] if isinstance(data, bytes) and image.format == "PNG" else 8
                    seen = head(image, depth, prepare.background)
                _check_size(seen, prepare)
                heads.append((i, seen))
            except DataError as error:
                left_out.add(name, str(error))
    return heads


@contextmanager
def opened(data: bytes | Image.Image) -> Iterator[Image.Image]:
    """A picture to look at; whatever its decoder raises becomes a :class:`DataError` with the reason."""
    try:
        if isinstance(data, Image.Image):
            yield data
            return
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:
                raise DataError(f"{image.width}×{image.height} pixels, more than {most:,}")
            yield image
    except DataError:
        raise
    except Exception as error:  # decoders raise what they like
        if isinstance(error, Image.UnidentifiedImageError):
            raise DataError("cannot be read as a picture (it is no PNG, JPEG, WebP or BMP)") from error
        raise DataError(f"cannot be read as a picture ({error})") from error


class _Skipped:
    """What is left out and why; the first is an error where nothing may be."""

    def __init__(self, strict: bool, count: int) -> None:
        self._strict, self._of, self._found = strict or count == 1, count, dict[str, str]()

    def add(self, name: str, reason: str) -> None:
        if self._strict:
            raise DataError(f"{name}: {reason}")
        self._found[name] = reason

    @property
    def all(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._found.items())

    @property
    def told(self) -> str:
        first = "; ".join(f"{name}: {reason}" for name, reason in self.all[:3])
        return f"{len(self._found)} of {self._of} left out: {first}"


def _check_size(seen: Head, prepare: Preparation) -> None:
    if prepare.shape and (seen.height < prepare.shape[0] or seen.width < prepare.shape[1]):
        raise DataError(
            f"{seen.height}×{seen.width} pixels, smaller than {prepare.shape[0]}×{prepare.shape[1]}"
        )


def _of_one_size(
    heads: list[tuple[int, Head]], members: Members, prepare: Preparation, origin: str, left_out: _Skipped
) -> list[tuple[int, Head]]:
    """Those of the commonest size, if no other is asked for and nearly all have it."""
    if not heads:
        raise DataError(f"{origin}: no picture can be used; {left_out.told}")
    if prepare.shape:
        return heads
    (size, count), *others = Counter((h.height, h.width) for _, h in heads).most_common()
    odd = [(i, h) for i, h in heads if (h.height, h.width) != size]
    if others and count < _ALIKE * len(heads):
        i, other = odd[0]
        raise DataError(
            f"{origin} differ in size: {members.names[i]} is {other.height}×{other.width} pixels, {count} of "
            f"{len(heads)} are {size[0]}×{size[1]}; say what to bring them to (--size)"
        )
    for i, other in odd:
        left_out.add(members.names[i], f"{other.height}×{other.width} pixels, the others {size[0]}×{size[1]}")
    return [(i, h) for i, h in heads if (h.height, h.width) == size]


def _mode(heads: list[Head], prepare: Preparation) -> str:
    if prepare.colour is not None:
        return "RGB" if prepare.colour else "L"
    modes = {seen.mode for seen in heads}
    if modes == {"1"} and (prepare.crop == "random" or not prepare.shape):
        return "1"
    return "RGB" if "RGB" in modes else "L"


def _changes(heads: list[Head], mode: str, prepare: Preparation) -> tuple[str, ...]:
    """What was done to how many."""
    count = Counter(change for seen in heads for change in seen.changes)
    grey = sum(seen.mode != "RGB" for seen in heads)
    count["of grey shown in three equal channels"] = grey if mode == "RGB" else 0
    count["of colour made grey"] = len(heads) - grey if mode != "RGB" else 0
    other = sum((seen.height, seen.width) != prepare.shape for seen in heads) if prepare.shape else 0
    how = {
        "center": "scaled down, all but the middle cut off where the shape was another",
        "none": "scaled down, stretched where the shape was another",
        "random": "pictures cut up at random places, not scaled",
    }
    count[how[prepare.crop]] = other
    return tuple(f"{number:,} {change}" for change, number in count.items() if number)


def _crops(pictures: Encoded | InMemory, prepare: Preparation) -> Crops:
    assert prepare.shape
    regions = [Region(i, 0, 0, *size) for i, size in enumerate(pictures.sizes)]
    return Crops(pictures, regions, prepare.shape)


def _all_decoded(pictures: Encoded, left_out: _Skipped) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(place among all, pixels) of every picture that can be decoded."""

    def attempt(index: int) -> NDArray[np.uint8] | DataError:
        try:
            return pictures.pixels(index)
        except DataError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for index, found in enumerate(pool.map(attempt, range(len(pictures.sizes)))):
            if isinstance(found, DataError):
                left_out.add(pictures.name(index), str(found.__cause__ or found))
            else:
                yield index, found
