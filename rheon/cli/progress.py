"""How training is going: one live line on a terminal, a plain line now and then elsewhere; both on stderr."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rheon.cli.console import note
from rheon.training import Record, Unit

_REFRESH_SECONDS = 0.25
_LINE_SECONDS = 15.0
_LINES = 20


class Progress(ABC):
    """Takes every record, shows some.

    Args:
        unit: what the figures are in.
        noun: what there are so many of a second.
        baselines: what simpler densities reach, by name.
    """

    every = _REFRESH_SECONDS
    """Seconds between what is shown."""

    def __init__(self, unit: Unit, noun: str, baselines: Mapping[str, float] | None = None) -> None:
        self._unit, self._noun = unit, noun
        self._beside = told(baselines or {})
        self._shown_at = -float("inf")
        self._recent: deque[Record] = deque(maxlen=20)
        self._validation: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - lines need no end
        """Leaves the terminal as it was."""

    def update(self, record: Record) -> None:
        """Notes a step."""
        if record.validation is not None:
            self._validation = record.validation
        self._recent.append(record)
        if time.monotonic() - self._shown_at >= self.every:
            self.show(record)
            self._shown_at = time.monotonic()

    @abstractmethod
    def show(self, record: Record) -> None: ...

    def parts(self, record: Record) -> list[tuple[int, str]]:
        """What there is to say, in the order in which it is said, each with its rank where room is short."""
        # Losses are read only here: on a GPU reading waits.
        train = sum(recent.loss for recent in self._recent) / len(self._recent)
        parts = [
            (5, f"step {record.step:,}"),
            (3, f"{self._unit.name} train {self._unit(train):.3f}"),
            (4, f"{record.rows_per_second:,.0f} {self._noun}/s"),
            (2, f"at most {clock(record.remaining)} left"),  # it ends early where nothing gets better
        ]
        if self._validation is not None:
            parts.insert(2, (1, f"validation {self._unit(self._validation):.3f}"))
        if self._beside:
            parts.append((6, f"({self._beside})"))
        return parts


class Lines(Progress):
    """A plain line every 15 seconds, or twenty in all where training takes long."""

    every = _LINE_SECONDS

    def update(self, record: Record) -> None:
        self.every = max(_LINE_SECONDS, (record.seconds + record.remaining) / _LINES)
        if self._shown_at < 0:
            self._shown_at = time.monotonic()  # nothing to say at the first step yet
        super().update(record)

    def show(self, record: Record) -> None:
        note("  ".join(part for _, part in self.parts(record)))


class Bar(Progress):
    """One line that is written over: a bar and as much beside it as the terminal is wide."""

    def __init__(
        self, unit: Unit, noun: str, console: Console, baselines: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(unit, noun, baselines)
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def close(self) -> None:
        self._live.stop()

    def show(self, record: Record) -> None:
        self._live.update(self._line(record), refresh=True)

    def _line(self, record: Record) -> RenderableType:
        parts, room = self.parts(record), self._console.width - 1
        while len(parts) > 1 and sum(len(part) + 2 for _, part in parts) - 2 > room:
            parts.remove(max(parts))
        text = "  ".join(part for _, part in parts)
        bar = min(30, room - len(text) - 2)
        line = Table.grid(padding=(0, 2, 0, 0))
        share = record.seconds / max(record.seconds + record.remaining, 1e-9)
        cells: list[RenderableType] = [Text(text, no_wrap=True, overflow="crop")]
        if bar >= 6:
            cells.insert(0, ProgressBar(total=1.0, completed=share, width=bar))
        line.add_row(*cells)
        return line


def progress(unit: Unit, noun: str, baselines: Mapping[str, float] | None = None) -> Progress:
    """The kind that suits where stderr goes."""
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return Bar(unit, noun, console, baselines)
    return Lines(unit, noun, baselines)


def told(baselines: Mapping[str, float]) -> str:
    """Baselines on one line.

    >>> told({"one Gaussian": 2.9656, "independent pixels": 2.4238})
    'one Gaussian 2.966, independent pixels 2.424'
    """
    return ", ".join(f"{name} {value:.3f}" for name, value in baselines.items())


def clock(seconds: float) -> str:
    """Seconds as a clock shows them.

    >>> clock(65.2), clock(3725)
    ('1:05', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
