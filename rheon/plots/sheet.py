"""Contact sheets: many small images in one picture, enlarged without blur."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rheon.errors import RheonError

_PAPER, _INK = (255, 255, 255), (40, 40, 48)
_GAP, _MARGIN, _TITLE = 4, 16, 34
_TILE = 56
"""Pixels that a small image is enlarged to, about."""
_SIDE = 1024
"""Pixels of a sheet's side that many images may take: fewer of them stand on a sheet where they are large."""


def sheet(images: NDArray[np.uint8], levels: int = 256, columns: int | None = None) -> Image.Image:
    """All images in rows, in their order.

    Each pixel becomes a square of pixels, so that eight by eight stay crisp. Grey images have 1 channel,
    colour images 3; of 2 channels the first is shown, of more than 3 the first three.

    Args:
        images: (N, C, H, W), whole numbers 0…levels−1.
        levels: number of grey levels; the highest is shown as white.
        columns: images in a row; about as many as rows unless given.

    >>> sheet(np.zeros((64, 1, 8, 8), dtype=np.uint8), levels=17).size
    (484, 484)
    """
    if images.ndim != 4 or not len(images):
        raise RheonError(f"images: shape {images.shape}; expected (N, C, H, W) with at least one image.")
    n, _, height, width = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    scale = max(1, round(_TILE / max(height, width)))
    tiles = np.repeat(np.repeat(_colours(images, levels), scale, 1), scale, 2)
    step_y, step_x = tiles.shape[1] + _GAP, tiles.shape[2] + _GAP
    rows = -(-n // columns)
    page = np.full((rows * step_y + _GAP, columns * step_x + _GAP, 3), _PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = _GAP + i // columns * step_y, _GAP + i % columns * step_x
        page[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return Image.fromarray(page)


def side_by_side(parts: Mapping[str, NDArray[np.uint8]], levels: int = 256) -> Image.Image:
    """One sheet for each title, next to each other, with its title above it.

    Each shows the same number of its first images: 64, or fewer where they are large or few.

    >>> black = np.zeros((64, 1, 8, 8), dtype=np.uint8)
    >>> side_by_side({"new": black, "real": black[:9]}, levels=17).size
    (416, 250)
    """
    height, width = next(iter(parts.values())).shape[2:]
    most = max(1, _SIDE // (max(height, width, _TILE) + _GAP))
    number = min(64, most**2, *(len(images) for images in parts.values()))
    sheets = {title: sheet(images[:number], levels) for title, images in parts.items()}
    font = ImageFont.load_default(18)
    titles = {title: int(font.getlength(title)) for title in sheets}
    widths = {title: max(page.width, titles[title]) for title, page in sheets.items()}
    whole = Image.new(
        "RGB",
        (
            sum(widths.values()) + _MARGIN * (len(sheets) + 1),
            max(page.height for page in sheets.values()) + _TITLE + 2 * _MARGIN,
        ),
        _PAPER,
    )
    draw, x = ImageDraw.Draw(whole), _MARGIN
    for title, page in sheets.items():
        draw.text((x + _GAP, _MARGIN), title, fill=_INK, font=font)
        whole.paste(page, (x, _MARGIN + _TITLE))
        x += widths[title] + _MARGIN
    return whole


def labelled_rows(rows: Mapping[str, NDArray[np.uint8]], levels: int = 256) -> Image.Image:
    """A row of images for each label, the label at its left; all rows (N, C, H, W) of the same H and W.

    >>> black = np.zeros((4, 1, 8, 8), dtype=np.uint8)
    >>> labelled_rows({"real": black, "resampled": black}, levels=17).size
    (370, 160)
    """
    font = ImageFont.load_default(16)
    strips = {label: sheet(images, levels, columns=len(images)) for label, images in rows.items()}
    left = 2 * _MARGIN + max(int(font.getlength(label)) for label in strips)
    height = sum(strip.height for strip in strips.values())
    width = max(strip.width for strip in strips.values())
    whole = Image.new("RGB", (left + width + _MARGIN, height + 2 * _MARGIN), _PAPER)
    draw, y = ImageDraw.Draw(whole), _MARGIN
    for label, strip in strips.items():
        draw.text((_MARGIN, y + strip.height // 2), label, fill=_INK, font=font, anchor="lm")
        whole.paste(strip, (left, y))
        y += strip.height
    return whole


def heat(values: NDArray[np.float64], most: float | None = None) -> NDArray[np.uint8]:
    """Maps (N, H, W) as colours (N, 3, H, W): from black, 0 and less, to pale yellow, ``most`` and more.

    Without ``most`` it is the 99.5 % quantile, so that a single pixel does not darken all others.

    >>> heat(np.array([[[0.0, 1.0]]]), most=1.0)[0, :, 0].T.tolist()
    [[0, 0, 3], [251, 252, 191]]
    """
    from matplotlib import colormaps

    most = float(np.quantile(values, 0.995)) if most is None else most
    coloured = colormaps["magma"](np.clip(values / max(most, 1e-12), 0, 1), bytes=True)[..., :3]
    return np.ascontiguousarray(np.moveaxis(coloured, -1, 1)).astype(np.uint8)


def _colours(images: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """(N, H, W, 3), 0…255."""
    shown = images[:, :3] if images.shape[1] >= 3 else images[:, :1].repeat(3, 1)
    scaled = np.rint(shown * (255 / (levels - 1))).clip(0, 255).astype(np.uint8)
    return np.moveaxis(scaled, 1, -1)
