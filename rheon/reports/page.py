"""A report as one HTML file: verdicts first, then sections of text, tables and pictures.

The file needs nothing but itself: styles and pictures are inside, there is no script and no address. Whatever
text goes in is shown as text, column names and categories of users' files too.
"""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rheon.errors import RheonError
from rheon.plots.png import png
from rheon.text import plain
from rheon.verdicts import Verdict


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure or a Pillow image, with what it shows in words, and the name of its file."""

    name: str
    figure: Any
    caption: str

    @property
    def source(self) -> str:
        """The picture as a data address: lossy WebP for photographs of numbers, crisp for small images."""
        stream = io.BytesIO()
        if hasattr(self.figure, "savefig"):
            image = Image.open(io.BytesIO(png(self.figure))).convert("RGB")
            image.save(stream, "webp", quality=82, method=4)
        else:
            self.figure.convert("RGB").save(stream, "webp", quality=85, method=4)
        return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


@dataclass(frozen=True)
class Facts:
    """A table: a header (may be empty) and rows of cells."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def cells(self) -> list[list[str]]:
        """What is shown in each cell."""
        return [[_shown(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it: sentences (str), :class:`Facts`, :class:`Picture`."""

    title: str
    parts: Sequence[str | Facts | Picture]

    @property
    def blocks(self) -> list[tuple[str, Any]]:
        """Each part with its kind."""
        kinds = {str: "text", Facts: "facts", Picture: "picture"}
        return [(kinds[type(part)], plain(part) if isinstance(part, str) else part) for part in self.parts]


@dataclass(frozen=True)
class Page:
    """A report: ``html`` is the file, ``figures`` are its pictures as files of their own.

    >>> made = Page("m <1>", [Verdict("good", "all is well")], [Section("Data", [Facts((), [("rows", 3)])])])
    >>> "m &lt;1&gt;" in made.html, "://" in made.html, made.figures
    (True, False, {})
    """

    title: str
    verdicts: Sequence[Verdict]
    sections: Sequence[Section]

    @property
    def html(self) -> str:
        """The whole file."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("rheon.reports", ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("page.html.j2").render(
            title=plain(self.title), verdicts=self.verdicts, sections=self.sections, plain=plain
        )

    @property
    def figures(self) -> dict[str, bytes]:
        """PNG files by name."""
        parts = (part for section in self.sections for part in section.parts)
        return {f"{part.name}.png": png(part.figure) for part in parts if isinstance(part, Picture)}


Wanted = tuple[str, Callable[[], Any], str]
"""Name, how to draw it, caption."""


def pictures(*wanted: Wanted) -> Iterator[str | Picture]:
    """A picture for each; in place of one that cannot be drawn, why not."""
    for name, draw, caption in wanted:
        try:
            yield Picture(name, draw(), caption)
        except RheonError as error:
            yield f"Left out: {caption} ({error})"


def _shown(cell: Any) -> str:
    if isinstance(cell, bool) or cell is None:
        return {True: "yes", False: "no", None: "–"}[cell]
    if isinstance(cell, float):
        return f"{cell:,.4g}" if abs(cell) < 1e6 else f"{cell:.4g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return plain(cell, 200)
