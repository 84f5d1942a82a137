"""How odd an image is to a model: scores that are higher the odder it is.

A plain -log p is no such score by itself. It is low for images that are simple, whatever they show: a model
of clothes gives smooth enlarged digits more probability than any clothes. Two ways out are known: to ask how
far -log p is from that of typical images, and to take off what the image costs a general compressor, which
is low for simple images too.

Reference: Nalisnick, Matsukawa, Teh, Gorur, Lakshminarayanan, *Do Deep Generative Models Know What They Don't
Know?*, 2019, arXiv:1810.09136.
"""

import io
import json
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rheon.errors import RheonError
from rheon.images.density import ImageDensity

RECOMMENDED = "complexity"
"""The score that needs no second data set to be set up, and mends the failure of plain nll."""


def anomaly_scores(model: ImageDensity, images: Any, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Scores of each image, (N,) each, higher for odder ones.

    ``nll``
        -log2 p(x) / D, bits per dimension.
    ``typicality``
        |nll - its mean over the images by which the weights were chosen|; odd are images that are too
        probable, too. Nalisnick, Matsukawa, Teh, Lakshminarayanan, *Detecting Out-of-Distribution Inputs to
        Deep Generative Models Using Typicality*, 2019, arXiv:1906.02994.
    ``complexity``
        nll - L / D, with L the bits of the image as PNG or as lossless WebP, whichever is shorter. Serrà,
        Álvarez, Gómez, Slizovskaia, Núñez, Luque, *Input complexity and out-of-distribution detection with
        likelihood-based generative models*, 2020, arXiv:1909.11480.
    ``latent_norm``
        |‖z‖² / D - 1|, where a standard normal z has 0.

    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> sorted(anomaly_scores(model, np.zeros((2, 8, 8), np.uint8)))
    ['complexity', 'latent_norm', 'nll', 'typicality']
    """
    read = model.read(images)
    k, dims = read.array, math.prod(model.shape)
    nll = model.bits_per_dim(read, seed=seed)
    norms = [_squared_norm(model, x, context) for x, context in model.dequantised(read, seed)]
    return {
        "nll": nll,
        "typicality": np.abs(nll - typical_nll(model)),
        "complexity": nll - compressed_bits(k, read.levels) / dims,
        "latent_norm": np.abs(np.concatenate(norms) / dims - 1),
    }


def typical_nll(model: ImageDensity) -> float:
    """Mean bits per dimension of the validation images under the weights that were chosen."""
    logged = [record.validation for record in model.history] or [
        json.loads(line)["validation"] for line in model.log.splitlines()
    ]
    best = min((value for value in logged if value is not None), default=None)
    if best is None:
        raise RheonError("typicality: this model keeps no record of a validation; fit it anew.")
    return best / (math.prod(model.shape) * math.log(2))


def compressed_bits(images: NDArray[np.uint8], levels: int = 256) -> NDArray[np.float64]:
    """Bits of each image (N, C, H, W) as PNG or lossless WebP, whichever is shorter, headers included.

    Grey levels are spread over 0…255 first, as an image of so many levels would be stored. Images of other
    than 1 or 3 channels count channel by channel.

    >>> bits = compressed_bits(np.zeros((1, 1, 28, 28), np.uint8))
    >>> bool(bits[0] < 28 * 28)
    True
    """
    spread = np.rint(images * (255 / (levels - 1))).astype(np.uint8)
    return np.array([8.0 * sum(map(_shortest, _as_pictures(image))) for image in spread])


def _as_pictures(image: NDArray[np.uint8]) -> list[Image.Image]:
    if len(image) == 3:
        return [Image.fromarray(np.moveaxis(image, 0, -1))]
    return [Image.fromarray(channel) for channel in image]


def _shortest(picture: Image.Image) -> int:
    """Bytes of the picture in the better of the two formats."""
    sizes = []
    for form, options in (("png", {"optimize": True}), ("webp", {"lossless": True, "method": 4})):
        stream = io.BytesIO()
        picture.save(stream, form, **options)
        sizes.append(stream.tell())
    return min(sizes)


@torch.no_grad()
def _squared_norm(model: ImageDensity, x: Tensor, context: Tensor | None) -> NDArray[np.float64]:
    z, _ = model.fitted.bijection(x, context)
    return z.flatten(1).double().square().sum(1).numpy()
