"""What a model of images holds, as pictures: the arrays of :mod:`rheon.images` with labels beside them.

Each takes an :class:`~rheon.images.ImageDensity` that has learned something, and images as it takes them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rheon.plots.sheet import heat, labelled_rows, sheet, side_by_side

if TYPE_CHECKING:
    from PIL.Image import Image

    from rheon.images import ImageDensity


def draws(model: "ImageDensity", images: Any = None, n: int = 64, seed: int = 0) -> "Image":
    """n new images; with ``images``, as many of these beside them.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> draws(model, n=9).size
    (184, 184)
    """
    new = _at_temperature_one(model, n, seed)
    if images is None:
        return sheet(new, _levels(model))
    return side_by_side({"drawn": new, "real": model.read(images).array}, _levels(model))


def temperatures(model: "ImageDensity", n: int = 8, seed: int = 0) -> "Image":
    """The same n draws of z at temperatures T from 0 to 1, one row each: x = f⁻¹(T z).

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> temperatures(model, n=3).height
    416
    """
    from rheon.images import looks

    rows = looks.at_temperatures(model, n, seed=seed)
    named = {f"T = {T:g}": row for T, row in zip(looks.TEMPERATURES, rows, strict=True)}
    return labelled_rows(named, _levels(model))


def interpolation(model: "ImageDensity", corners: Any, steps: int = 8, seed: int = 0) -> "Image":
    """The way between four images, which stand in the corners; see :func:`rheon.images.interpolation`.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> interpolation(model, np.zeros((4, 8, 8), np.uint8), steps=3).size
    (184, 184)
    """
    from rheon.images import looks

    grid = looks.interpolation(model, corners, steps, seed)
    return sheet(grid.reshape(-1, *grid.shape[2:]), _levels(model), columns=steps)


def scales(model: "ImageDensity", images: Any, seed: int = 0) -> "Image":
    """What each scale holds: from row to row a further latent, the finest first, is drawn anew.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> scales(model, np.zeros((3, 8, 8), np.uint8)).height
    224
    """
    from rheon.images import looks

    rows = looks.scales(model, images, seed)
    last = len(rows) - 1
    names = ["the image", *(_anew(j, last) for j in range(1, last + 1))]
    return labelled_rows(dict(zip(names, rows, strict=True)), _levels(model))


def reconstruction(model: "ImageDensity", images: Any, seed: int = 0) -> "Image":
    """Images, and below each f⁻¹(f(x)): the same, or the flow does not invert.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> reconstruction(model, np.zeros((3, 8, 8), np.uint8)).height
    160
    """
    from rheon.images import looks

    back = looks.reconstruction(model, images, seed)
    return labelled_rows({"x": model.read(images).array, "back from f(x)": back}, _levels(model))


def nearest(model: "ImageDensity", among: Any, n: int = 8, seed: int = 0) -> "Image":
    """n draws, below each the image of ``among`` that is nearest to it; the label has the least distance.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> nearest(model, np.zeros((9, 8, 8), np.uint8), n=3).height
    160
    """
    from rheon.images import looks

    new, real = _at_temperature_one(model, n, seed), model.read(among).array
    index, distance = looks.nearest(new, real)
    rows = {"drawn": new, f"nearest, {distance.min():.2f} levels off or more": real[index]}
    return labelled_rows(rows, _levels(model))


def bits(model: "ImageDensity", images: Any, seed: int = 0) -> "Image":
    """Images, and below each where its bits are, from black (0) to pale yellow.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> bits(model, np.zeros((3, 8, 8), np.uint8)).height
    160
    """
    from rheon.images import looks

    maps = looks.bits_map(model, images, seed)
    most = float(np.quantile(maps, 0.995))
    grey = np.rint(model.read(images).array * (255 / (_levels(model) - 1))).astype(np.uint8)
    return labelled_rows({"x": _coloured(grey), f"bits, 0 to {most:.1f}": heat(maps, most)})


def _at_temperature_one(model: "ImageDensity", n: int, seed: int) -> NDArray[np.uint8]:
    from rheon.images import looks

    return looks.at_temperatures(model, n, (1.0,), seed)[0]


def _levels(model: "ImageDensity") -> int:
    return model.levels or 256


def _anew(j: int, latents: int) -> str:
    if j == latents:
        return "all drawn anew"
    return "Z1 drawn anew" if j == 1 else f"Z1…Z{j} drawn anew"


def _coloured(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three channels, for a sheet that shows colours too."""
    return images[:, :3] if images.shape[1] >= 3 else images[:, :1].repeat(3, 1)
