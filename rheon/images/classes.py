"""c: the class of an image. Its name, its number, its share p(c), and what a conditional flow is told of it.

p(x) = Σ_c p(c) p(x | c),        p(c | x) = p(c) p(x | c) / p(x).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from rheon.arrays import as_numpy
from rheon.errors import DataError, RheonError
from rheon.images.imageset import ImageSet


@dataclass(frozen=True)
class Classes:
    """The classes that a model learned: their names, and how many images of each there were."""

    names: tuple[str, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        sound = (
            all(isinstance(name, str) for name in self.names)
            and all(type(count) is int and count >= 0 for count in self.counts)
            and len(set(self.names)) == len(self.names) == len(self.counts)
        )
        if not sound or sum(self.counts) < 1:
            raise RheonError("classes must have names, each once, and counts of at least 0, one above it.")
        if len(self.names) < 2:
            raise DataError(f"labels: all images are of one class, {self.names[0]!r}; learn without labels.")

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, images: ImageSet, labels: Any) -> tuple[Self, NDArray[np.int64]]:
        """The classes of images to learn from, and the number of each image's, (N,).

        ``labels`` are numbers or names, one an image, or True for those that came with the images.

        >>> images = ImageSet(np.zeros((4, 1, 2, 2), np.uint8), 2, "NHW", None, "four images")
        >>> classes, numbers = Classes.of(images, [7, 3, 3, 10])
        >>> classes.names, classes.counts, numbers.tolist()
        (('3', '7', '10'), (2, 1, 1), [1, 0, 0, 2])
        """
        texts = _texts(images, labels)
        if texts.shape != (len(images),):
            raise DataError(f"labels: {len(images):,} images need one each, got shape {texts.shape}.")
        own = images.classes if labels is True else None
        names = own or tuple(sorted(set(texts.tolist()), key=_place))
        numbers = _numbers(names, texts)
        return cls(names, tuple(np.bincount(numbers, minlength=len(names)).tolist())), numbers

    def numbers(self, images: ImageSet | int, labels: Any) -> NDArray[np.int64]:
        """The number of each label, (N,), for N images; one label alone is that of all.

        Raises:
            DataError: a label is of no class that was learned, or their number is wrong.
        """
        n = images if isinstance(images, int) else len(images)
        texts = _texts(images, labels)
        if texts.shape not in ((), (n,)):
            raise DataError(f"labels: expected one for each of {n:,} images, got shape {texts.shape}.")
        found = _numbers(self.names, texts)
        return np.broadcast_to(found, (n,)) if texts.ndim == 0 else found

    @property
    def log_shares(self) -> NDArray[np.float64]:
        """log p(c), (K,): -∞ for a class without an image."""
        with np.errstate(divide="ignore"):
            shares: NDArray[np.float64] = np.log(np.array(self.counts) / sum(self.counts))
        return shares

    def context(self, numbers: NDArray[np.int64] | Tensor) -> Tensor:
        """What the flow is told: one-hot rows, (B, K) float32."""
        return one_hot(torch.tensor(np.asarray(numbers)), len(self)).float()

    def drawn(self, n: int, generator: torch.Generator) -> Tensor:
        """n classes by their shares, (n,)."""
        shares = torch.tensor(self.counts, dtype=torch.float64)
        return (
            torch.multinomial(shares, n, replacement=True, generator=generator)
            if n
            else torch.zeros(0).long()
        )


def _numbers(names: tuple[str, ...], texts: NDArray[Any]) -> NDArray[np.int64]:
    number = {name: i for i, name in enumerate(names)}
    if unknown := sorted(set(texts.flat) - set(number)):
        more = ", …" if len(names) > 20 else ""
        raise DataError(
            f"label {unknown[0]!r} is of no class that was learned; there are {', '.join(names[:20])}{more}."
        )
    return np.array([number[text] for text in texts.flat], np.int64).reshape(texts.shape)


def _texts(images: ImageSet | int, labels: Any) -> NDArray[Any]:
    """Labels as text, by which classes are known whatever type they come in."""
    if labels is True:
        if isinstance(images, int) or images.labels is None:
            raise DataError(
                "labels: these images came without any; give a folder for each class, MNIST's file of labels "
                "beside that of the images, an .npz with labels, or in Python labels=."
            )
        if images.classes is None:
            return _texts(images, images.labels)
        if images.labels.min() < 0 or images.labels.max() >= len(images.classes):
            raise DataError(
                f"labels: {images.labels.min()} to {images.labels.max()} cannot count "
                f"{len(images.classes)} classes."
            )
        return np.array(images.classes, object)[images.labels]
    values = as_numpy(labels) if hasattr(labels, "detach") else np.asarray(labels)
    if values.dtype.kind == "f" and np.isfinite(values).all() and np.array_equal(values, np.rint(values)):
        values = values.astype(np.int64)
    if values.dtype.kind not in "biuUO":
        raise DataError(f"labels: expected whole numbers or names, got values of type {values.dtype}.")
    return values.astype(str).astype(object)


def _place(name: str) -> tuple[bool, int, str]:
    """Numbers in their own order, before names."""
    return (False, int(name), "") if name.removeprefix("-").isdecimal() else (True, 0, name)
