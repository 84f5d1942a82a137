"""Images from wherever they are to one form: uint8 (N, C, H, W), with the number of grey levels.

What was taken for what — the layout of the axes, the number of levels — is found from the data, said in one
sentence, and can be overruled.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheon.arrays import as_numpy
from rheon.errors import DataError, RheonError
from rheon.files import replacing
from rheon.images.crops import Crops
from rheon.images.formats import BUILT_IN, FORMATS, Found, built_in, folder, kind, pictures
from rheon.images.imageset import LAYOUTS, ImageSet, to_layout
from rheon.images.pixels import Pixels
from rheon.images.preparation import AS_THEY_ARE, Preparation

__all__ = ["AS_THEY_ARE", "LAYOUTS", "ImageSet", "Preparation", "read_images", "to_layout", "write_images"]


def read_images(
    source: Any,
    levels: int | None = None,
    layout: str | None = None,
    prepare: Preparation = AS_THEY_ARE,
) -> ImageSet:
    """Images of whole numbers, from a name, a path or an object.

    Args:
        source: ``"digits"`` or ``"photos"``; a path; an array or a tensor of whole numbers, of any dtype; a
            list of Pillow images or of arrays. A path is that of one picture (PNG, JPEG, WebP, BMP); of a
            folder of them, a tar or zip archive, a Parquet file with encoded pictures; of an IDX file (MNIST
            and its kin, packed by gzip or not); of binary CIFAR data, as a file, a folder or the archive; of
            a .npy or .npz file.
        levels: number of grey levels, 2 to 256. Without it the largest value tells: max + 1 if max < 64 (17
            for the digits, 2 for black and white), else 256. Pass a model's own to read what it is to score.
        layout: one of :data:`LAYOUTS`, where the shape leaves a doubt.
        prepare: what to do with pictures of any size and colour.

    Raises:
        DataError: nothing there, a damaged file, images of different sizes, values that are not whole numbers
            in 0…levels−1, a shape that can be read in two ways.

    >>> read_images("digits").description
    '1,797 grey images of 8×8 pixels with 17 levels (told from the largest value, 16), from digits, axes NHW'
    """
    if isinstance(source, ImageSet):
        if levels in (None, source.levels):
            return source
        if isinstance(source.images, Pixels):
            raise DataError(f"the images have {source.levels} levels; they cannot be read with {levels}")
        source, layout = source.images, "NCHW"
    if layout is not None and layout not in LAYOUTS:
        raise RheonError(f"layout={layout!r} is unknown; expected one of {', '.join(LAYOUTS)}")
    if levels is not None and not (isinstance(levels, int | np.integer) and 2 <= levels <= 256):
        raise RheonError(f"levels={levels!r}; expected a whole number from 2 to 256")
    found = _find(source, prepare)
    # a model keeps this sentence, and is no place for the paths of whoever trained it
    label = Path(source).name or found.origin if isinstance(source, str | os.PathLike) else found.origin
    whole = replace(_as_set(found, levels, layout, label), preparation=prepare)
    if found.test is None:
        return whole
    test = _as_set(found.test, whole.levels, whole.layout, label)
    if test.images.shape[1:] != whole.images.shape[1:]:
        raise DataError(
            f"{label}: the images to test on are of {test.images.shape[1:]} (channels, height, width), the "
            f"others of {whole.images.shape[1:]}"
        )
    return replace(whole, test=test)


def _as_set(found: Found, levels: int | None, layout: str | None, label: str) -> ImageSet:
    layout = found.layout or layout or _layout(found.array.shape, found.origin)
    told = ""
    if isinstance(found.array, Pixels):
        if levels not in (None, found.levels):
            raise DataError(f"{label} has {found.levels} levels; it cannot be read with {levels}")
        images: NDArray[np.uint8] | Pixels = found.array
        levels = found.levels
    else:
        whole = _whole_numbers(_axes_first(found.array, layout, found.origin), found.origin)
        images, largest = np.ascontiguousarray(whole), int(whole.max())
        if levels is None:
            levels = max(largest + 1, 2) if largest < 64 else 256
            told = f" (told from the largest value, {largest})"
        elif largest >= levels:
            raise DataError(
                f"{found.origin} has values up to {largest}; with {levels} levels they end at {levels - 1}"
            )
    n, channels, height, width = images.shape
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    noun = "crop" if isinstance(images, Crops) else "image"
    description = (
        f"{n:,} {kind} {noun}{'s' * (n > 1)} of {height}×{width} pixels with {levels} levels{told}, "
        f"from {'; '.join((label, *found.said))}, axes {layout}"
    )
    return ImageSet(
        *(images, int(levels or 256), layout, found.names, description),
        labels=found.labels,
        classes=found.classes,
        skipped=found.skipped,
    )


def write_images(path: str | os.PathLike[str], images: ArrayLike) -> None:
    """Writes images to .npz (named ``images``, compressed) or .npy; the file appears whole or not at all."""
    path = Path(path)
    if path.suffix not in (".npz", ".npy"):
        raise RheonError(f"cannot write images to {path.name}; expected a name that ends in .npz or .npy")
    array = as_numpy(images)
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        if path.suffix == ".npy":
            np.save(stream, array, allow_pickle=False)
        else:
            np.savez_compressed(stream, images=array)


def _find(source: Any, prepare: Preparation) -> Found:
    if isinstance(source, str) and source in BUILT_IN:
        return built_in(source, prepare)
    if isinstance(source, str | os.PathLike):
        return _find_file(Path(source), prepare)
    if hasattr(source, "getexif"):
        return pictures([source], prepare)
    if isinstance(source, Sequence) and len(source):
        if hasattr(source[0], "getexif"):
            return pictures(source, prepare)
        parts = [as_numpy(part) for part in source]
        odd = next((i for i, part in enumerate(parts) if part.shape != parts[0].shape), None)
        if odd is not None:
            raise DataError(
                f"the images differ in shape: {parts[0].shape} at first, {parts[odd].shape} for number {odd}"
            )
        return Found(np.stack(parts), "a list of arrays")
    return Found(as_numpy(source), "an array")


def _find_file(path: Path, prepare: Preparation) -> Found:
    if path.is_dir():
        return folder(path, prepare)
    if not path.is_file():
        raise DataError(
            f"there is no file or folder {path}; give a path to images, or {' or '.join(BUILT_IN)}"
        )
    found = kind(path)
    if found is None:
        raise DataError(
            f"{path} is of an unknown kind; expected a folder or an archive (tar, zip) of pictures, IDX, "
            "binary CIFAR, Parquet with encoded pictures, .npy, .npz, .png, .jpg, .jpeg, .webp, .bmp"
        )
    return FORMATS[found](path, prepare)


def _layout(shape: tuple[int, ...], origin: str) -> str:
    """The layout of an array whose maker did not say: channels are 1 to 4, and images tend to be square."""
    if len(shape) == 3:
        return "HWC" if shape[2] in (3, 4) and min(shape[:2]) > 4 else "NHW"
    if len(shape) == 4:
        _, a, b, c = shape
        possible = {"NHWC": (c, a == b), "NCHW": (a, b == c)}
        likely = [name for name, (channels, _) in possible.items() if 1 <= channels <= 4]
        square = [name for name in likely if possible[name][1]]
        for names in (likely, square):
            if len(names) == 1:
                return names[0]
    raise DataError(
        f"{origin} has shape {shape}, which cannot be read as images with certainty; "
        "expected (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 to 4 channels: reshape it, or pass layout="
    )


def _axes_first(array: NDArray[Any], layout: str, origin: str) -> NDArray[Any]:
    if array.ndim != len(layout) or array.size == 0:
        raise DataError(f"{origin} has shape {array.shape}; expected at least one image with axes {layout}")
    if layout == "NHW":
        return array[:, None]
    if layout == "HWC":
        array = array[None]
    return array if layout == "NCHW" else np.moveaxis(array, -1, 1)


def _whole_numbers(array: NDArray[Any], origin: str) -> NDArray[np.uint8]:
    if array.dtype in (bool, np.uint8):
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            first = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(
                f"{origin} has {bad} NaN or infinite values, the first in image {first}; remove that image"
            )
        if (array != np.rint(array)).any():
            advice = "round them to the whole numbers that they stand for"
            if array.min() >= 0 and array.max() <= 1:
                advice = "if they were bytes, give the bytes, or (255 * images).round()"
            raise DataError(
                f"{origin} has values between whole numbers, from {array.min():.6g} to {array.max():.6g}; "
                f"expected grey levels, 0 to 255: {advice}"
            )
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        raise DataError(f"{origin} has values from {low} to {high}; expected 0 to 255 (8 bits a channel)")
    return array.astype(np.uint8)
