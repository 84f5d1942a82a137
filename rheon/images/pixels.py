"""Images that are cut out or decoded when they are asked for, and then looked at like an array.

An array of uint8 (N, C, H, W) is indexed by rows; so is a :class:`Pixels`. Beyond that it can be drawn from:
what is random about a row (where a crop lies) comes from the generator of the step, so that a batch is a
function of (seed, step), whatever the number of worker threads. The batch after the next may be announced:
workers then decode it while the step at hand is computed.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rheon.arrays import check_room
from rheon.datasets import random_split

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.int64]
Place = tuple[int, int, int]
"""(picture, top, left)."""


class Pictures(Protocol):
    """Pictures of any size, by number."""

    sizes: Sequence[tuple[int, int]]
    """(H, W) of each."""
    channels: int
    in_memory: bool
    """Whether to look one up costs nothing, so that no workers are wanted."""

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """uint8 (C, H, W); may be called from several threads."""

    def identity(self) -> bytes:
        """What tells these pictures from others, without decoding them."""


class InMemory:
    """Decoded pictures."""

    in_memory = True

    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._pictures = pictures
        self.sizes: Sequence[tuple[int, int]] = [(picture.shape[1], picture.shape[2]) for picture in pictures]
        self.channels = pictures[0].shape[0]

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """uint8 (C, H, W)."""
        return self._pictures[index]

    def identity(self) -> bytes:
        """SHA-256 of all pixels."""
        digest = sha256(repr(self.sizes).encode())
        for picture in self._pictures:
            digest.update(np.ascontiguousarray(picture).data)
        return digest.digest()


class Pixels(ABC):
    """N images of one size out of pictures; indexed by rows it gives uint8 (len(rows), C, H, W)."""

    def __init__(self, pictures: Pictures, size: tuple[int, int], rows: int) -> None:
        self.pictures = pictures
        self.shape = (rows, pictures.channels, *size)
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: tuple[list[Place], list[Future[NDArray[np.uint8]]]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Row or rows, by number, slice or array of numbers: always the same pixels for the same row."""
        chosen = np.arange(len(self))[rows]
        found = self._fetch(self._fixed(np.atleast_1d(chosen)))
        return found[0] if chosen.ndim == 0 else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        check_room(int(np.prod(self.shape)), "the whole set of images")
        return self[:].astype(dtype or np.uint8, copy=False)

    def draw(self, rows: Rows, generator: "torch.Generator") -> NDArray[np.uint8]:
        """The rows as a step of training sees them."""
        places = self._drawn(rows, generator)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == places:
            return np.stack([future.result() for future in ahead[1]])
        return self._fetch(places)

    def expect(self, rows: Rows, generator: "torch.Generator") -> None:
        """Begins to decode what :meth:`draw` will be asked for with the same arguments."""
        if not self.pictures.in_memory:
            places = self._drawn(rows, generator)
            self._ahead = (places, [self._workers().submit(self._image, place) for place in places])

    @abstractmethod
    def take(self, rows: Rows) -> "Pixels":
        """These rows alone."""

    @abstractmethod
    def split(self, fraction: float, seed: int) -> "tuple[tuple[Pixels, Rows], tuple[Pixels, Rows]]":
        """Two parts that share no pixel, the second with about this share.

        Beside each part, for each of its rows a row of the whole that shows the same picture.
        """

    @abstractmethod
    def identity(self) -> NDArray[np.uint8]:
        """A few bytes that tell these images from others."""

    @abstractmethod
    def _fixed(self, rows: Rows) -> list[Place]: ...

    @abstractmethod
    def _drawn(self, rows: Rows, generator: "torch.Generator") -> list[Place]: ...

    def _image(self, place: Place) -> NDArray[np.uint8]:
        picture, top, left = place
        height, width = self.shape[2:]
        # A copy: a view would hold the whole picture.
        return self.pictures.pixels(picture)[:, top : top + height, left : left + width].copy()

    def _fetch(self, places: list[Place]) -> NDArray[np.uint8]:
        if not places:
            return np.empty((0, *self.shape[1:]), np.uint8)
        worker = map if self.pictures.in_memory else self._workers().map
        return np.stack(list(worker(self._image, places)))

    def _workers(self) -> ThreadPoolExecutor:
        # Pillow lets other threads run while it decodes.
        if self._pool is None:
            self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "rheon-decode")
        return self._pool


class Scaled(Pixels):
    """Pictures that are all of one size once decoded, one a row.

    >>> pictures = InMemory([np.full((1, 2, 3), i, np.uint8) for i in range(5)])
    >>> Scaled(pictures)[[4, 1]].mean((1, 2, 3)).tolist()
    [4.0, 1.0]
    """

    def __init__(self, pictures: Pictures, rows: Rows | None = None) -> None:
        self._rows = np.arange(len(pictures.sizes)) if rows is None else rows
        super().__init__(pictures, pictures.sizes[0], len(self._rows))

    def take(self, rows: Rows) -> "Scaled":
        """These rows alone."""
        return Scaled(self.pictures, self._rows[rows])

    def split(self, fraction: float, seed: int) -> tuple[tuple[Pixels, Rows], tuple[Pixels, Rows]]:
        """Two parts at random."""
        learn, held_out = random_split(len(self), fraction, seed)
        return (self.take(learn), learn), (self.take(held_out), held_out)

    def identity(self) -> NDArray[np.uint8]:
        """A digest of the pictures as they are encoded."""
        return np.frombuffer(self.pictures.identity() + self._rows.tobytes(), np.uint8)

    def _fixed(self, rows: Rows) -> list[Place]:
        return [(int(picture), 0, 0) for picture in self._rows[rows]]

    def _drawn(self, rows: Rows, generator: "torch.Generator") -> list[Place]:
        return self._fixed(rows)
