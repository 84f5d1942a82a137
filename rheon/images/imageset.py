"""Images ready for a density, with what came with them: labels, names, a test part of their own."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheon.datasets import random_split
from rheon.images.pixels import Pixels
from rheon.images.preparation import AS_THEY_ARE, Preparation

LAYOUTS = ("NHW", "NHWC", "NCHW", "HWC")
"""Layouts of an array of images: number, channels, height, width. HWC is one image."""


@dataclass(frozen=True)
class ImageSet:
    """Images ready for a density.

    ``images``: uint8 (N, C, H, W), values 0…levels−1: an array, or a
    :class:`~rheon.images.pixels.Pixels` that cuts out or decodes the rows it is asked for. ``layout``: how
    the axes stood in what came, one of :data:`LAYOUTS`. ``names``: one an image if they came from files.
    ``description``: one sentence that says what the data were taken for. ``labels``: int64 (N,) if they came
    along, and the names of the ``classes`` that they count, if these have any. ``test``: the part that
    whoever made the data set aside to test on. ``preparation``: what was
    done with pictures. ``skipped``: (name, reason) of each picture that was left out.
    """

    images: NDArray[np.uint8] | Pixels
    levels: int
    layout: str
    names: tuple[str, ...] | None
    description: str
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    test: "ImageSet | None" = None
    preparation: Preparation = AS_THEY_ARE
    skipped: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def left_out(self) -> str | None:
        """The pictures that were left out, the first of them with the reason."""
        if not self.skipped:
            return None
        first = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:5])
        more = f"; and {len(self.skipped) - 5:,} more" if len(self.skipped) > 5 else ""
        return f"{len(self.skipped):,} picture{'s' * (len(self.skipped) > 1)} left out: {first}{more}"

    @property
    def array(self) -> NDArray[np.uint8]:
        """All images in memory."""
        return np.asarray(self.images)

    def take(self, rows: NDArray[np.int64]) -> "ImageSet":
        """These images alone."""
        images = self.images[rows] if isinstance(self.images, np.ndarray) else self.images.take(rows)
        return self._with(images, rows)

    def fewer(self, most: int) -> "ImageSet":
        """All images that are an array; of others, chosen at random, those that fit into so many bytes."""
        if isinstance(self.images, np.ndarray):
            return self
        n = max(8, most // prod(self.images.shape[1:]))
        return self.take(np.sort(np.random.default_rng(0).permutation(len(self))[:n]))

    def some(self, most: int) -> NDArray[np.uint8]:
        """The images of :meth:`fewer`, in memory."""
        return self.fewer(most).array

    def split(self, fraction: float, seed: int = 0) -> tuple["ImageSet", "ImageSet"]:
        """(images to learn from, images held out), at random; no pixel of a picture is in both."""
        if isinstance(self.images, np.ndarray):
            learn, held_out = random_split(len(self), fraction, seed)
        else:
            learning, held = self.images.split(fraction, seed)
            return self._with(*learning), self._with(*held)
        return self.take(learn), self.take(held_out)

    def _with(self, images: NDArray[np.uint8] | Pixels, rows: NDArray[np.int64]) -> "ImageSet":
        names = None if self.names is None else tuple(self.names[row] for row in rows)
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=images, names=names, labels=labels, test=None, skipped=())


def to_layout(images: NDArray[Any], layout: str) -> NDArray[Any]:
    """Images (N, C, H, W) in the layout that their kind came in: NHW drops the channel axis of grey images.

    >>> to_layout(np.zeros((5, 3, 8, 8)), "NHWC").shape
    (5, 8, 8, 3)
    """
    if layout == "NHW" and images.shape[1] == 1:
        return images[:, 0]
    return images if layout == "NCHW" else np.moveaxis(images, 1, -1)
