"""Random crops of photographs: in training at fresh places every time, in evaluation at fixed ones.

Parts are held out by picture or, of fewer than twenty pictures, by region: a strip of each is cut off, and no
crop reaches across the cut. So no pixel of a held-out crop was ever trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rheon.datasets import random_split
from rheon.errors import DataError
from rheon.images.pixels import Pictures, Pixels, Place, Rows

if TYPE_CHECKING:
    import torch

_CROPS = 4096
"""About as many rows as a set has, unless there are more regions: a region then has one row."""
_FEW_PICTURES = 20


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture, in pixels."""

    picture: int
    top: int
    left: int
    height: int
    width: int

    def cut(self, fraction: float, size: tuple[int, int], at_end: bool) -> "tuple[Region, Region] | None":
        """(rest, strip of about this share at one end of the longer side), None if no crop fits in both."""
        across = self.width * size[0] >= self.height * size[1]
        long, least = (self.width, size[1]) if across else (self.height, size[0])
        strip = max(round(fraction * long), least)
        if long - strip < least:
            return None
        first = long - strip if at_end else strip
        if across:
            parts = replace(self, width=first), replace(self, left=self.left + first, width=long - first)
        else:
            parts = replace(self, height=first), replace(self, top=self.top + first, height=long - first)
        return parts if at_end else parts[::-1]


class Crops(Pixels):
    """Crops of one size, from regions of pictures.

    Every region has as many rows as every other, but none has more than show each of its pixels four times:
    so pictures count alike, however large they are. A row of training lies anywhere in its region.

    >>> import torch
    >>> from rheon.images.pixels import InMemory
    >>> picture = InMemory([np.arange(64, dtype=np.uint8).reshape(1, 8, 8)])
    >>> crops = Crops(picture, [Region(0, 0, 0, height=8, width=8)], size=(4, 4))
    >>> drawn = crops.draw(np.zeros(999, np.int64), torch.Generator().manual_seed(0))
    >>> crops.shape, len(np.unique(drawn[:, 0, 0, 0]))  # 5 · 5 places
    ((16, 1, 4, 4), 25)
    """

    def __init__(
        self, pictures: Pictures, regions: Sequence[Region], size: tuple[int, int], rows: Rows | None = None
    ) -> None:
        self._regions = np.array(
            [(r.picture, r.top, r.left, r.height, r.width) for r in regions], np.int64
        ).reshape(-1, 5)
        room = self._regions[:, 3] * self._regions[:, 4] // (size[0] * size[1])
        count = np.minimum(4 * room, max(1, _CROPS // max(len(regions), 1)))
        self._region_of = np.repeat(np.arange(len(regions)), count)
        self._free = self._regions[:, 3:] - size + 1
        self._uniform = np.random.default_rng(0).random((len(self._region_of), 2))
        if rows is not None:
            self._region_of, self._uniform = self._region_of[rows], self._uniform[rows]
        self._rows = rows
        super().__init__(pictures, size, len(self._region_of))

    @property
    def pictures_of(self) -> Rows:
        """The number of the picture that each row is cut from."""
        return self._regions[self._region_of, 0]

    def take(self, rows: Rows) -> "Crops":
        """These rows alone."""
        kept = np.arange(len(self))[rows] if self._rows is None else self._rows[rows]
        return Crops(self.pictures, self._as_regions(), self.shape[2:], kept)

    def split(self, fraction: float, seed: int) -> tuple[tuple[Pixels, Rows], tuple[Pixels, Rows]]:
        """By picture, or of few pictures by region."""
        every = self._as_regions()
        regions = [every[place] for place in np.unique(self._region_of)]
        pictures = np.unique([region.picture for region in regions])
        if len(pictures) >= _FEW_PICTURES:
            _, held_out = random_split(len(pictures), fraction, seed)
            apart = set(pictures[held_out].tolist())
            learn = [region for region in regions if region.picture not in apart]
            held = [region for region in regions if region.picture in apart]
        else:
            ends = np.random.default_rng(seed).random(len(regions)) < 0.5
            cut = [r.cut(fraction, self.shape[2:], bool(end)) for r, end in zip(regions, ends, strict=True)]
            learn = [r if c is None else c[0] for r, c in zip(regions, cut, strict=True)]
            held = [c[1] for c in cut if c is not None]
            if not held:
                height, width = self.shape[2:]
                raise DataError(
                    f"no picture is large enough for two crops of {height}×{width} pixels side by side, one "
                    "to learn from and one to hold out; give more pictures, or a smaller --size"
                )
        return self._part(learn), self._part(held)

    def identity(self) -> NDArray[np.uint8]:
        """A digest of the pictures, and the regions."""
        rows = b"" if self._rows is None else self._rows.tobytes()
        return np.frombuffer(self.pictures.identity() + self._regions.tobytes() + rows, np.uint8)

    def _part(self, regions: Sequence[Region]) -> tuple[Pixels, Rows]:
        part = Crops(self.pictures, regions, self.shape[2:])
        order = np.argsort(self.pictures_of, kind="stable")
        return part, order[np.searchsorted(self.pictures_of[order], part.pictures_of)]

    def _as_regions(self) -> list[Region]:
        return [Region(*numbers) for numbers in self._regions.tolist()]

    def _fixed(self, rows: Rows) -> list[Place]:
        return self._at(rows, self._uniform[rows])

    def _drawn(self, rows: Rows, generator: "torch.Generator") -> list[Place]:
        import torch

        uniform = torch.rand((len(rows), 2), generator=generator, device=generator.device)
        return self._at(rows, uniform.cpu().double().numpy())

    def _at(self, rows: Rows, uniform: NDArray[np.float64]) -> list[Place]:
        of = self._region_of[rows]
        corner = self._regions[of, 1:3] + (uniform * self._free[of]).astype(np.int64)
        places = zip(self._regions[of, 0].tolist(), *corner.T.tolist(), strict=True)
        return list(places)
