"""Files that hold images, one function a format; :data:`FORMATS` says which suffix is read by which.

A new format is one function from a path to a :class:`Found`, and a line in the table.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rheon.arrays import check_room, read_npy, read_npz
from rheon.errors import DataError

ARRAY_NAMES = ("images", "x", "X")
"""Names by which the images of an archive with several arrays are known."""

_ORIENTATION = 0x0112  # EXIF: 5 to 8 turn the picture by a quarter
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Found:
    """An array as found; ``layout`` None if the axes are still to be told apart; ``names`` one an image."""

    array: NDArray[Any]
    origin: str
    layout: str | None = None
    names: tuple[str, ...] | None = None


def _npy(path: Path) -> Found:
    return Found(read_npy(path), str(path))


def _npz(path: Path) -> Found:
    return Found(read_npz(path, ARRAY_NAMES), str(path))


def _picture(path: Path) -> Found:
    return _stacked([path], [path.name], str(path))


def folder(path: Path) -> Found:
    """All pictures in a folder and in the folders below it, in the order of their names."""
    found = [Path(root) / name for root, _, names in os.walk(path) for name in names]
    pictures = sorted(p for p in found if p.suffix.lower() in _PICTURES and not p.name.startswith("."))
    if not pictures:
        raise DataError(
            f"the folder {path} holds no picture; expected files that end in {', '.join(_PICTURES)}"
        )
    return _stacked(pictures, [p.relative_to(path).as_posix() for p in pictures], f"the pictures in {path}")


_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

FORMATS: dict[str, Callable[[Path], Found]] = {
    ".npy": _npy,
    ".npz": _npz,
    **dict.fromkeys(_PICTURES, _picture),
}


def pictures(images: Sequence[Image.Image]) -> Found:
    """Pillow images that are in memory already."""
    return _stacked(images, [f"picture {i}" for i in range(len(images))], "a list of pictures")


def _stacked(sources: Sequence[Path | Image.Image], names: Sequence[str], origin: str) -> Found:
    """Looks at sizes and modes first, which takes no decoding, then decodes into one array."""
    heads = []
    for source, name in zip(sources, names, strict=True):
        with _opened(source, name) as image:
            heads.append(_head(image, name))
    (size, count), *others = Counter(size for size, _ in heads).most_common()
    if others:
        odd = next(i for i, head in enumerate(heads) if head[0] != size)
        raise DataError(
            f"{origin} differ in size: {names[odd]} is {_by(heads[odd][0])} pixels, {count} of {len(heads)} "
            f"are {_by(size)}; crop or scale them to one size first"
        )
    modes = {mode for _, mode in heads}
    mode = "RGB" if "RGB" in modes else "L" if "L" in modes else "1"
    shape = (len(heads), size[1], size[0]) + ((3,) if mode == "RGB" else ())
    check_room(int(np.prod(shape)), origin)
    array = np.empty(shape, bool if mode == "1" else np.uint8)
    for i, (source, name) in enumerate(zip(sources, names, strict=True)):
        with _opened(source, name) as image:
            array[i] = _decoded(image, mode, name)
    # a file is a name to report scores by; a picture in memory has none
    named = tuple(names) if isinstance(sources[0], Path) else None
    return Found(array, origin, "NHWC" if mode == "RGB" else "NHW", named)


@contextmanager
def _opened(source: Path | Image.Image, name: str) -> Iterator[Image.Image]:
    """A picture to look at; whatever its decoder raises becomes a :class:`DataError` that names it."""
    try:
        if isinstance(source, Image.Image):
            yield source
            return
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
                yield image
    except DataError:
        raise
    except Exception as error:  # decoders raise what they like
        where = source if isinstance(source, Path) else name
        raise DataError(f"{where} cannot be read as a picture ({error}); repair or remove it") from error


def _head(image: Image.Image, name: str) -> tuple[tuple[int, int], str]:
    """Size (W, H) as a viewer would show it, and the plain mode: 1 (black and white), L (grey) or RGB."""
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{name} is an animation; expected single pictures")
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"):
        raise DataError(
            f"{name} has mode {image.mode}, not 8 bits a channel; convert it to 8-bit grey or colour"
        )
    turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    size = image.size[::-1] if turned else image.size
    return size, image.mode if image.mode == "1" else "L" if image.mode in ("L", "LA") else "RGB"


def _decoded(image: Image.Image, mode: str, name: str) -> NDArray[Any]:
    orientation = image.getexif().get(_ORIENTATION, 1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{name} has transparent pixels; lay it over a background colour first")
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return np.asarray(image.convert(mode))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
