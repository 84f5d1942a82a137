"""How pictures of any size and colour become images of one kind, and what was done to each on the way."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from rheon.errors import DataError, RheonError

Crop = Literal["center", "random", "none"]

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
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")


@dataclass(frozen=True)
class Preparation:
    """What is to be done with pictures.

    Args:
        size: (height, width) of the images, or one number for both; None takes pictures as they are, which
            must then be of one size.
        crop: what becomes of a picture that is larger. ``"center"``: the largest rectangle of that shape
            in its middle, scaled down. ``"none"``: all of it, scaled down, and stretched where the shape is
            another. ``"random"``: pieces of that size are cut out and nothing is scaled; in training at
            other places each time. No picture is ever enlarged.
        colour: True or False makes all pictures RGB or grey (ITU-R 601 luma); None leaves them as they are,
            which makes grey ones RGB only where others are.
        background: a colour name or ``"#rrggbb"`` to lay transparent pictures over; None leaves them out.
        strict: refuses the data for the first picture that would be left out.
    """

    size: tuple[int, int] | int | None = None
    crop: Crop = "center"
    colour: bool | None = None
    background: str | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        sides = self.shape if isinstance(self.shape, tuple | None) else ()
        if sides is not None and [isinstance(n, int) and 1 <= n <= 4096 for n in sides] != [True, True]:
            raise RheonError(f"size={self.size!r}; expected one or two whole numbers from 1 to 4096")
        if self.crop not in ("center", "random", "none"):
            raise RheonError(f"crop={self.crop!r}; expected 'center', 'random' or 'none'")
        if self.crop == "random" and self.size is None:
            raise RheonError("crop='random' needs the size of the crops (--size)")
        if self.background is not None:
            try:
                ImageColor.getrgb(self.background)
            except ValueError as error:
                raise RheonError(
                    f"background={self.background!r}; expected a colour name or '#rrggbb'"
                ) from error

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width), None where pictures keep theirs."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


AS_THEY_ARE = Preparation()
"""Pictures of one size, which stay as they are."""


@dataclass(frozen=True)
class Head:
    """A picture as its first bytes tell it, upright; its plain mode: 1 (black and white), L (grey) or RGB."""

    height: int
    width: int
    mode: str
    changes: tuple[str, ...]


def head(image: Image.Image, png_depth: int = 8, background: str | None = None) -> Head:
    """Of a picture that was opened, not decoded; a :class:`DataError` tells why it cannot be used."""
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise DataError("an animation; expected single pictures")
    if image.mode not in _MODES or png_depth > 8:
        depth = f"{png_depth} bits a channel" if png_depth > 8 else f"mode {image.mode}"
        raise DataError(f"{depth}, not 8 bits; convert it to 8-bit grey or colour")
    orientation = image.getexif().get(_ORIENTATION, 1)
    size = image.size[::-1] if orientation in (5, 6, 7, 8) else image.size
    changes = {
        "turned upright as their EXIF says": orientation in _UPRIGHT,
        f"with transparency laid over {background}": background and image.has_transparency_data,
        "converted from CMYK": image.mode == "CMYK",
        "with a palette read as colour": image.mode in ("P", "PA"),
        "without the preview that follows them": image.format == "MPO",
    }
    mode = image.mode if image.mode == "1" else "L" if image.mode in ("L", "LA") else "RGB"
    return Head(size[1], size[0], mode, tuple(name for name, done in changes.items() if done))


def decoded(image: Image.Image, mode: str, prepare: Preparation) -> NDArray[np.uint8]:
    """Pixels, uint8 (C, H, W), upright, of the plain mode, scaled unless crops are cut from it later."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            if prepare.background is None:
                raise DataError("has transparent pixels; lay it over a colour (--background) first")
            under = Image.new("RGBA", image.size, prepare.background)
            image = Image.alpha_composite(under, image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    image = image.convert("L" if mode == "1" and prepare.shape else mode)
    if prepare.shape and prepare.crop != "random":
        image = _scaled(image, prepare.shape, prepare.crop)
    array = np.asarray(image, np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _scaled(image: Image.Image, shape: tuple[int, int], crop: str) -> Image.Image:
    (width, height), (rows, columns) = image.size, shape
    if (height, width) == shape:
        return image
    box = (0.0, 0.0, float(width), float(height))
    if crop == "center":
        scale = min(width / columns, height / rows)
        left, top = (width - scale * columns) / 2, (height - scale * rows) / 2
        box = (left, top, width - left, height - top)
    return image.resize((columns, rows), Image.Resampling.BICUBIC, box)
