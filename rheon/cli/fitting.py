"""What ``rheon fit`` does once its words make sense: read, train, measure, draw, save, tell."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rheon.cli.app import DONE, INTERRUPTED
from rheon.cli.baselines import baselines
from rheon.cli.closing import baselines_of, closing, training_line
from rheon.cli.console import note, say
from rheon.cli.data import Data, notes, read, schema_lines
from rheon.cli.figures import figures
from rheon.cli.interrupt import EndOnSignal
from rheon.cli.kinds import Model, architecture, device, noun, parameters, rows_of
from rheon.cli.pictures import pictures
from rheon.cli.progress import progress, told
from rheon.cli.run import Run
from rheon.cli.toml import as_toml
from rheon.errors import DivergedError, RheonError, SaveError
from rheon.images import ImageDensity, ImageSet
from rheon.models import looks_like_images
from rheon.storage import CHECKPOINT, is_unfinished
from rheon.tables import TableDensity
from rheon.training import Checkpoints, Record, Settings, TensorBoard, joined, ranks
from rheon.training.device import chosen_device


@dataclass(frozen=True)
class Fit:
    """One run of ``rheon fit``, as its words ask for it."""

    asked: Run
    overwrite: bool = False
    fresh: bool = False
    finish: bool = False
    extend: bool = False

    def run(self) -> int:
        """Leaves the model directory, finished or to go on from; returns the exit code."""
        with joined():
            return self._run()

    def _run(self) -> int:
        seed = self.asked.training.get("seed", 0)
        whole = read(self.asked.data, seed, self.asked.levels, self.asked.pictures.preparation())
        model = _untrained(self.asked, isinstance(whole.content, ImageSet))
        settings = model.settings(**self.asked.training)
        checkpoints = Checkpoints(self.out / CHECKPOINT, fresh=self.fresh, extend=self.extend, tell=note)
        checkpoints.identity["test_share"] = self.asked.test_share
        checkpoints.foresee(settings)  # what is refused is refused at once
        chosen_device(settings.device)
        learn, test = whole.split(self.asked.test_share, seed)
        say(whole.description)
        for line in notes(whole):
            note(line)
        targets = None
        if isinstance(model, TableDensity):
            schema = model.schema_of(learn.content)
            targets = model.targets_of(schema)
            for line in schema_lines(schema):
                say(line)
        beside = baselines(learn, test, seed, targets) if ranks().rank == 0 else {}
        if beside:
            say(f"simpler densities on the test {noun(model)}: {told(baselines_of(beside))}")
        diverged = None
        try:
            if stopped := self._train(model, learn, test, settings, checkpoints, beside):
                return stopped
        except DivergedError as error:  # what was best before is a model all the same
            diverged = error
        if ranks().rank > 0:
            return DONE  # the first process does the rest
        if not any(record.best for record in model.history):
            if self.finish:
                raise RheonError(f"nothing that {self.out} has learned was validated yet; let it go on")
            checkpoints.discard()  # it would end so again
            raise RheonError(
                "training gave no weights under which the validation is a number, so nothing is saved; "
                "try a smaller --learning-rate"
            )
        self._note_facts(model, whole, test, settings)
        if diverged is not None:
            model.info["training"]["ended"] = "since steps were not finite"
        # Saved before anything else is tried: what took long to learn is not lost to what comes after it.
        goes_on = "the same command goes on from the last checkpoint"
        with _disk_trouble(goes_on if checkpoints.standing() else "what was learned is lost"):
            model.save(self.out, overwrite=self.overwrite or is_unfinished(self.out))
        say(training_line(model.info["training"]))
        if sys.stderr.isatty():
            note("measuring on the test rows, drawing …")
        try:
            model.info["figures"] = figures(model, test, beside, seed)
            drawn = pictures(model, test, seed)
            with _disk_trouble("the model is saved, its figures and pictures are not"):
                model.save(self.out, files=drawn, overwrite=True)
        except KeyboardInterrupt:
            note(f"interrupted: the model is saved in {self.out}; figures and pictures may be missing")
            return INTERRUPTED
        self._tell(model)
        if diverged is not None:
            raise diverged
        return DONE

    @property
    def out(self) -> Path:
        return self.asked.place

    def _train(
        self,
        model: Model,
        learn: Data,
        test: Data,
        settings: Settings,
        checkpoints: Checkpoints,
        beside: dict[str, float],
    ) -> int | None:
        """Trains to the end, or until a signal; then returns the exit code."""
        together = ranks()
        labels = True if self.asked.labels else None
        training = model.training(learn.content, settings, checkpoints, labels)
        with EndOnSignal(together) as end, contextlib.closing(training) as records:
            try:
                self._watch(model, records, test, settings, checkpoints, beside, end)
                if end.asked is None:
                    return None
                if not checkpoints.save():
                    raise SaveError(
                        f"stopped by {end.asked.name}, and what was learned could not be saved in {self.out}"
                    )
            except KeyboardInterrupt:
                if checkpoints.step is None:
                    raise
            together.largest(0)  # torchrun ends all as soon as one has ended: not before this is saved
            note(
                f"stopped by {end.asked and end.asked.name}: step {checkpoints.step:,} is saved in "
                f"{self.out}, and the same command goes on from there"
            )
            return 128 + (end.asked or signal.SIGINT)

    def _watch(
        self,
        model: Model,
        records: Iterator[Record],
        test: Data,
        settings: Settings,
        checkpoints: Checkpoints,
        beside: dict[str, float],
        end: EndOnSignal,
    ) -> None:
        first = record = next(records)
        if self.finish and checkpoints.step is None:
            raise RheonError(f"{self.out} holds no unfinished training that --finish could end")
        went_on_after = checkpoints.step or 0
        last = checkpoints.step if self.finish else None
        threads = f"{first.threads} thread{'s' * (first.threads > 1)}"
        place = device(model)
        model.info["training"] = {"device": place}
        if place != "cpu":
            threads = f"on {place}, {threads}"
        learn, choose = rows_of(model.info["data"])
        say(
            f"{architecture(model)}, {parameters(model):,} parameters, {threads}, at most {_budget(settings)}"
        )
        say(f"{learn:,} {noun(model)} to learn from, {choose:,} to choose weights by, {len(test):,} to test")
        if isinstance(model, ImageDensity):
            say(f"figures of this model: {model.likelihood()}")
        with contextlib.ExitStack() as stack:
            shown = progress(model.unit, noun(model), baselines_of(beside))
            watching = [stack.enter_context(shown).update]
            if self.asked.tensorboard and ranks().rank == 0:
                board = stack.enter_context(TensorBoard(self.asked.tensorboard))
                watching.append(lambda record: board(record) if record.step > went_on_after else None)
            while True:
                for watch in watching:
                    watch(record)
                if record.trouble and record.step > went_on_after:
                    note(record.trouble)
                if end.agreed() or record.step == last or (following := next(records, None)) is None:
                    break
                record = following

    def _note_facts(self, model: Model, whole: Data, test: Data, settings: Settings) -> None:
        model.info["data"] |= {
            f"test_{noun(model)}": len(test),
            "description": whole.description,
            "source": Path(self.asked.data).name,  # never the path: a model is passed on
        }
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
            **model.info["training"],
            "budget": _budget(settings),
            "test_share": self.asked.test_share,
        }
        if self.finish:
            model.info["training"]["ended"] = "on request"

    def _tell(self, model: Model) -> None:
        say()
        for line in closing(model.info["figures"]):
            say(line)
        say()
        say(f"{self.out}: {', '.join(sorted(file.name for file in self.out.iterdir()))}")


def print_toml(asked: Run) -> int:
    """Prints a run with every choice, as it would be made for its kind of data; returns the exit code."""
    model = _untrained(asked, looks_like_images(asked.data))
    resolved = replace(asked, architecture=str(model.architecture))
    for line in as_toml(resolved, model.settings(**asked.training)).splitlines():
        say(line)
    return DONE


def _untrained(asked: Run, of_images: bool) -> Model:
    named: dict[str, Any] = {} if asked.architecture is None else {"architecture": asked.architecture}
    augment = asked.variety.augment()
    columns = asked.columns.arguments()
    if of_images:
        if columns:
            raise RheonError(f"--schema and --given are for tables, and {asked.data} is images")
        if asked.dequantise is not None:
            named["dequantise"] = asked.dequantise
        return ImageDensity(levels=asked.levels, augment=augment, **named)
    if asked.dequantise is not None:
        raise RheonError(f"--dequantise is for images, and {asked.data} is a table")
    if augment:
        raise RheonError(f"--flip and --shift are for images, and {asked.data} is a table")
    return TableDensity(**named, **columns)


@contextlib.contextmanager
def _disk_trouble(left: str) -> Iterator[None]:
    """Says what is left where the disk is full or gone."""
    try:
        yield
    except RheonError as error:
        if isinstance(error.__cause__, OSError):
            raise SaveError(f"{error}; {left}") from error
        raise


def _budget(settings: Settings) -> str:
    if settings.steps is not None:
        return f"{settings.steps:,} step{'s' * (settings.steps > 1)}"
    return f"{settings.minutes:g} minute{'s' * (settings.minutes != 1)}"
