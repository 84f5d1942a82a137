"""What ``rheon fit`` does once its words make sense: read, train, measure, draw, save, tell."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheon.cli.closing import closing, training_line
from rheon.cli.console import note, say
from rheon.cli.data import Data, read
from rheon.cli.figures import figures
from rheon.cli.interrupt import EndOnInterrupt
from rheon.cli.kinds import Model, architecture, noun, parameters, rows_of, unit
from rheon.cli.pictures import pictures
from rheon.cli.progress import progress
from rheon.errors import RheonError
from rheon.files import replacing
from rheon.images import ImageDensity
from rheon.tables import Table, TableDensity
from rheon.training import Record, Settings


@dataclass(frozen=True)
class Fit:
    """One run of ``rheon fit``, as its words ask for it."""

    data: str
    out: Path
    architecture: str | None
    levels: int | None
    test_share: float
    overwrite: bool
    changes: dict[str, Any]

    def run(self) -> bool:
        """Leaves the model directory; returns whether it came to its end without Ctrl-C."""
        seed = self.changes["seed"]
        whole = read(self.data, seed, self.levels)
        model = self._model(whole)
        settings = model.settings(**self.changes)
        learn, test = whole.split(self.test_share, seed)
        say(whole.description)
        complete = self._train(model, learn, test, settings)
        if not any(record.best for record in model.history):
            raise RheonError(
                "training gave no weights under which the validation was a number, so nothing is saved; try a "
                "smaller --learning-rate"
            )
        self._note_facts(model, whole, test, settings, complete)
        # Saved before anything else is tried: what took long to learn is not lost to what comes after it.
        model.save(self.out, overwrite=self.overwrite)
        say(training_line(model.info["training"]))
        if not complete:
            note(f"interrupted: the best weights so far are saved in {self.out}, without figures")
            return False
        if sys.stderr.isatty():
            note("measuring on the test rows, drawing …")
        try:
            model.info["figures"] = figures(model, learn, test, seed)
            drawn = pictures(model, test, seed)
            model.save(self.out, overwrite=True)
            for name, data in drawn.items():
                with replacing(self.out / name) as temporary:
                    temporary.write_bytes(data)
        except KeyboardInterrupt:
            note(f"interrupted: the model is saved in {self.out}; figures and pictures may be missing")
            return False
        self._tell(model)
        return True

    def _model(self, whole: Data) -> Model:
        if isinstance(whole.content, Table):
            return TableDensity() if self.architecture is None else TableDensity(self.architecture)
        levels = whole.images.levels
        if self.architecture is None:
            return ImageDensity(levels=levels)
        return ImageDensity(self.architecture, levels)

    def _train(self, model: Model, learn: Data, test: Data, settings: Settings) -> bool:
        """Trains to the end, or to Ctrl-C; returns which."""
        with EndOnInterrupt() as interrupt:
            records = model.training(learn.content, settings)
            try:
                self._watch(model, records, test, settings, interrupt)
            finally:
                records.close()  # puts the best weights into the flow
        return not interrupt.asked

    def _watch(
        self,
        model: Model,
        records: Iterator[Record],
        test: Data,
        settings: Settings,
        interrupt: EndOnInterrupt,
    ) -> None:
        first = next(records)
        threads = f"{first.threads} thread{'s' * (first.threads > 1)}"
        learn, choose = rows_of(model.info["data"])
        say(
            f"{architecture(model)}, {parameters(model):,} parameters, {threads}, at most {_budget(settings)}"
        )
        say(f"{learn:,} {noun(model)} to learn from, {choose:,} to choose weights by, {len(test):,} to test")
        with progress(unit(model), noun(model)) as shown:
            shown.update(first)
            while not interrupt.asked and (record := next(records, None)):
                shown.update(record)

    def _note_facts(self, model: Model, whole: Data, test: Data, settings: Settings, complete: bool) -> None:
        model.info["data"] |= {
            f"test_{noun(model)}": len(test),
            "description": whole.description,
            "source": self.data,
        }
        if isinstance(model, ImageDensity):
            model.layout = whole.images.layout
        last = model.history[-1]
        best = next(record.step for record in reversed(model.history) if record.best)
        over = last.step == settings.steps or last.remaining < 0.02 * last.seconds
        model.info["training"] = {
            "ended": "early, nothing got better" if not over else "with the budget",
            "steps": last.step,
            "best_step": best,
            "seconds": round(last.seconds, 1),
            f"{noun(model)}_per_second": round(last.rows_per_second, 1),
            "parameters": parameters(model),
            "threads": last.threads,
            "budget": _budget(settings),
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
            "seed": settings.seed,
            "test_share": self.test_share,
        }
        if not complete:
            model.info["training"]["ended"] = "by Ctrl-C"

    def _tell(self, model: Model) -> None:
        say()
        for line in closing(model.info["figures"]):
            say(line)
        say()
        say(f"{self.out}: {', '.join(sorted(file.name for file in self.out.iterdir()))}")


def _budget(settings: Settings) -> str:
    if settings.steps is not None:
        return f"{settings.steps:,} step{'s' * (settings.steps > 1)}"
    return f"{settings.minutes:g} minutes"
