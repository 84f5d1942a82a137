"""DATA on the command line: built-in names, files and folders; images or a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rheon.datasets import TOYS, Toy
from rheon.errors import DataError, RheonError
from rheon.images import ImageSet, Preparation, read_images
from rheon.images.reading import AS_THEY_ARE
from rheon.models import looks_like_images
from rheon.reports import plain
from rheon.tables import StreamedTable, Table, open_table, read_in_parts, read_table
from rheon.tables.parts import can_be_parted

TOY_ROWS = 20_000


@dataclass(frozen=True)
class Data:
    """Images or a table, one sentence about them, and their true density where it is known."""

    content: ImageSet | Table | StreamedTable
    description: str
    toy: Toy | None = None

    def __len__(self) -> int:
        return len(self.content)

    @property
    def images(self) -> ImageSet:
        """The content, where it is images."""
        assert isinstance(self.content, ImageSet)
        return self.content

    @property
    def table(self) -> Table:
        """The content, where it is a table in memory, as what is tested on always is."""
        assert isinstance(self.content, Table)
        return self.content

    def some(self, seed: int) -> np.ndarray:
        """The rows of a table; of one that is larger than memory, some drawn at random."""
        assert not isinstance(self.content, ImageSet)
        return self.content.sample(len(self), seed).values

    def split(self, share: float, seed: int) -> tuple["Data", "Data"]:
        """(rows to learn from, rows to test on): as whoever made the data split them, or at random."""
        if isinstance(self.content, ImageSet) and self.content.test is not None:
            return replace(self, content=replace(self.content, test=None)), replace(
                self, content=self.content.test
            )
        noun, least = ("images", 10) if isinstance(self.content, ImageSet) else ("rows", 25)
        if len(self) < least:
            raise DataError(
                f"{len(self)} {noun} are too few to learn from, validate and test on; give at least {least}"
            )
        learn, test = self.content.split(share, seed)
        return replace(self, content=learn), replace(self, content=test)


def read(data: str, seed: int = 0, levels: int | None = None, prepare: Preparation = AS_THEY_ARE) -> Data:
    """What ``data`` names, to fit; of a toy density 20,000 draws by the seed."""
    if data in TOYS:
        _no_levels(data, levels)
        toy = TOYS[data]
        table = read_table(toy.sample(TOY_ROWS, seed))
        return Data(table, f"{TOY_ROWS:,} draws from {data}, a density in the plane that is known", toy)
    if looks_like_images(data):
        images = read_images(data, levels=levels, prepare=prepare)
        return Data(images, plain(images.description))
    _no_levels(data, levels)
    if prepare != AS_THEY_ARE:
        raise RheonError(f"--size, --crop and the like are for pictures, and {data} is a table")
    rows = open_table(data)
    return Data(rows, _described(rows, data))


def read_to_score(
    data: str,
    seed: int,
    levels: int | None,
    columns: Sequence[str] | None,
    prepare: Preparation = AS_THEY_ARE,
) -> Data:
    """What ``data`` names, as a model of images (``levels``) or of a table (``columns``) takes it.

    Draws of a toy density are fresh ones: no fit by any seed has seen them.
    """
    if levels is not None:
        if data in TOYS or not looks_like_images(data):
            raise DataError(f"{data} is a table, and the model is one of images; give images")
        images = read_images(data, levels=levels, prepare=prepare)
        return Data(images, plain(images.description))
    if data in TOYS:
        fresh = np.random.default_rng([seed, TOY_ROWS])
        return Data(read_table(TOYS[data].sample(TOY_ROWS, fresh), columns), data, TOYS[data])
    if looks_like_images(data):
        raise DataError(f"{data} is images, and the model is one of a table; give a table")
    table = read_table(data, columns)
    return Data(table, _described(table, data))


def left_out(data: Data) -> str | None:
    """The pictures that could not be used, the first of them with the reason."""
    told = data.content.left_out if isinstance(data.content, ImageSet) else None
    return told and plain(told, 2000)


def tables_to_score(
    data: str, seed: int, columns: Sequence[str], rows: int
) -> tuple[Iterable[Table], Toy | None]:
    """What ``data`` names as a model of these columns takes it, and its true density where that is known.

    It is many tables of so many rows where it can be read in parts, of which one is in memory at a time.
    """
    if data not in TOYS and not looks_like_images(data) and can_be_parted(Path(data)):
        return read_in_parts(Path(data), columns, rows), None
    given = read_to_score(data, seed, None, columns)
    return [given.table], given.toy


def few_values(data: Data) -> str | None:
    """A warning of columns that repeat few whole numbers: a continuous density can rise there without end."""
    if isinstance(data.content, ImageSet):
        return None
    few = [
        name
        for name, column in zip(data.content.columns, data.some(seed=0).T, strict=True)
        if len(np.unique(column)) <= max(20, len(column) // 50) and np.array_equal(column, np.rint(column))
    ]
    if not few:
        return None
    return plain(
        f"{', '.join(few[:8])}{', …' if len(few) > 8 else ''}: few different whole numbers, learned as "
        "continuous all the same; log p can then grow without end, so it is better to leave them out"
    )


def _described(table: Table | StreamedTable, source: str) -> str:
    n, columns = len(table), len(table.columns)
    names = ", ".join(table.columns[:8]) + (", …" if columns > 8 else "")
    text = f"{n:,} rows of {columns} column{'s' * (columns > 1)} ({names}), from {Path(source).name}"
    if table.dropped:
        reasons = ", ".join(f"{name} ({why})" for name, why in table.dropped[:6])
        more = len(table.dropped) - 6
        text += f"; left out: {reasons}" + (f" and {more} more" if more > 0 else "")
    if isinstance(table, StreamedTable):
        text += "; too large for memory, so read in parts"
    return plain(text)


def _no_levels(data: str, levels: int | None) -> None:
    if levels is not None:
        raise RheonError(f"--levels is the number of grey levels of images, and {data} is a table")
