"""DATA on the command line: built-in names, files and folders; images or a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rheon.datasets import TOYS, Toy
from rheon.errors import DataError, RheonError
from rheon.images import ImageDensity, ImageSet, Preparation, read_images
from rheon.images.reading import AS_THEY_ARE
from rheon.models import looks_like_images
from rheon.tables import Schema, StreamedTable, Table, TableDensity, open_table, read_in_parts, read_table
from rheon.tables.parts import can_be_parted
from rheon.text import plain

TOY_ROWS = 20_000

_SHOWN = 60
"""Columns whose schema is printed, at most."""


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

    def some(self, seed: int) -> Table:
        """The rows of a table; of one that is larger than memory, some drawn at random."""
        assert not isinstance(self.content, ImageSet)
        return self.content.sample(len(self), seed)

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
        return Data(_of(read_table(TOYS[data].sample(TOY_ROWS, fresh)), columns), data, TOYS[data])
    if looks_like_images(data):
        raise DataError(f"{data} is images, and the model is one of a table; give a table")
    table = _of(read_table(data), columns)
    return Data(table, _described(table, data))


def read_for(model: ImageDensity | TableDensity, data: str, seed: int) -> ImageSet | Table:
    """What ``data`` names, whole and as the model takes it."""
    if isinstance(model, ImageDensity):
        return read_to_score(data, seed, model.levels, None, model.preparation).images
    return read_to_score(data, seed, None, None).table


def _of(table: Table, columns: Sequence[str] | None) -> Table:
    return table if columns is None else table.require(columns)


def notes(data: Data) -> Iterator[str]:
    """What reading assumed, and the pictures that could not be used, the first of them with the reason."""
    if isinstance(data.content, Table):
        yield from (plain(line) for line in data.content.notes)
    elif isinstance(data.content, ImageSet) and data.content.left_out:
        yield plain(data.content.left_out, 2000)


def schema_lines(schema: Schema) -> Iterator[str]:
    """The columns, a line each; of very many the first."""
    lines = list(schema.lines())
    yield from (plain(line) for line in lines[:_SHOWN])
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN:,} more columns"


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


def _described(table: Table | StreamedTable, source: str) -> str:
    known = table.columns if isinstance(table, Table) else [c.name for c in table.schema.columns]
    names = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    columns = f"{len(known)} column{'s' * (len(known) > 1)}"
    streamed = "; too large for memory, so read in parts" * isinstance(table, StreamedTable)
    return plain(f"{len(table):,} rows of {columns} ({names}), from {Path(source).name}{streamed}")


def _no_levels(data: str, levels: int | None) -> None:
    if levels is not None:
        raise RheonError(f"--levels is the number of grey levels of images, and {data} is a table")
