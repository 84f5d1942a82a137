"""The checkpoints of a run: when they are made, which are kept, and which a new process goes on from.

    FOLDER/training.jsonl   the log, appended to before each checkpoint, which notes its length and SHA-256
           step-100/        the checkpoint before the last
           step-200/        the last

The older of three goes only when the newest is on the disk. One process at a time has the folder.
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rheon.errors import ModelError, RheonError
from rheon.training.checkpoint import checkpoints_in, read_checkpoint, remove_parts, write_checkpoint
from rheon.training.identity import as_json, choices, differences, versions
from rheon.training.log import Log
from rheon.training.record import Record
from rheon.training.settings import Settings
from rheon.training.state import State, extended
from rheon.training.unit import NATS

SECONDS = 60.0
"""Between two checkpoints: what a kill can cost at most."""

_SECONDS_TO_RETRY = 5.0
_FORMAT = 1
_KEPT = 2
_LOG = "training.jsonl"


@dataclass(frozen=True)
class Saved:
    """A run as a checkpoint has it: what its state is made of, and the records of its steps.

    Without tensors where another process has them.
    """

    numbers: dict[str, Any]
    tensors: dict[str, Tensor] | None
    records: list[Record]


class Nowhere:
    """The checkpoints of a run that keeps none."""

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {}
        self.step: int | None = None

    def open(self, settings: Settings) -> Saved | None:
        """Nothing was saved."""

    def note(self, state: State, record: Record) -> None:
        """Nothing is saved."""

    def save(self) -> bool:
        """Nothing can fail."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""


class Checkpoints:
    """A folder in which a run saves itself, and from which it goes on.

    Args:
        folder: made when training begins, in a folder that exists or whose parent does.
        every: seconds between two checkpoints; None: ``SECONDS``.
        fresh: whether to remove what an earlier run left, and begin anew.
        extend: whether the run may go on with a larger budget than it had. The schedule then is that of the
            new one from the next step on, so its bits are not those of a run that had it from the beginning.
        tell: is given a sentence where a run goes on, a checkpoint is damaged, or the disk gives trouble;
            a warning unless given.

    Attributes:
        identity: plain facts that must be the same where a run goes on (the fingerprint of its data, say);
            the settings are added to them.
        step: of the newest checkpoint, None while there is none.
        failing: whether the last attempt to save failed.
        unit: what the log tells likelihoods in, beside nats per row.

    >>> import tempfile, torch
    >>> from rheon.architectures import realnvp
    >>> from rheon.training import Rows, Settings, train
    >>> rows, settings = Rows(torch.linspace(-1, 1, 200).view(100, 2)), Settings(steps=6, threads=1)
    >>> place = tempfile.TemporaryDirectory()
    >>> folder = Path(place.name) / "checkpoint"
    >>> first = Checkpoints(folder)
    >>> records = train(realnvp(2, couplings=2), rows, None, settings, first)
    >>> next(records).step, next(records).step
    (1, 2)
    >>> first.save()
    True
    >>> records.close()
    >>> second = Checkpoints(folder, tell=print)  # a new process, say
    >>> [record.step for record in train(realnvp(2, couplings=2), rows, None, settings, second)]
    goes on after step 2, from the checkpoint in ...
    [1, 2, 3, 4, 5, 6]
    >>> place.cleanup()
    """

    def __init__(
        self,
        folder: Path,
        every: float | None = None,
        fresh: bool = False,
        extend: bool = False,
        tell: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.identity: dict[str, Any] = {}
        self.step: int | None = None
        self.failing = False
        self._folder = folder
        self._every = SECONDS if every is None else every
        self._fresh = fresh
        self._extend = extend
        self._tell = tell
        self.unit = NATS
        self._log = Log(folder / _LOG)
        self._state: State | None = None
        self._lock: int | None = None
        self._due = 0.0

    def open(self, settings: Settings) -> Saved | None:
        """Takes the folder, and reads the newest checkpoint that is whole; None where a run begins.

        Raises:
            RheonError: another process trains there, the folder cannot be made, or the run that it holds has
                other data or settings.
            ModelError: it holds checkpoints, and none is whole.
        """
        self.identity = as_json({**choices(settings), **self.identity})
        self._log.unit = self.unit
        self._take()
        saved = self._newest()
        self._due = time.monotonic() + self._every
        return saved

    def foresee(self, settings: Settings) -> None:
        """Refuses what differs, as :meth:`open` does, as far as it is known before the data are prepared.

        Args:
            settings: all but the minutes count, of which a density may give training a share.

        Raises:
            RheonError: the run in the folder has other settings, or another ``identity`` in what is there.
        """
        own = as_json({**choices(settings), **self.identity, "minutes": None})
        for place in [] if self._fresh else checkpoints_in(self._folder):
            with suppress(ModelError):  # told by ``open``
                then = read_checkpoint(place)[0].get("identity", {})
                self._check({**{name: then.get(name) for name in own}, "minutes": None}, own)
                return

    def note(self, state: State, record: Record) -> None:
        """Takes in that a step was made, and saves where it is time to, or where it was the last."""
        self._state = state
        self._log.records.append(record)
        if state.over or time.monotonic() >= self._due:
            self.save()

    def save(self) -> bool:
        """Saves the run as it is between two steps; returns whether the disk has it now.

        A disk that is full or gone costs nothing that is saved: it is told once, and tried again soon.
        """
        if self._state is None or self._state.steps == self.step:
            return not self.failing
        facts = {
            "format": _FORMAT,
            "identity": self.identity,
            "versions": versions(),
            "state": self._state.numbers(),
        }
        try:
            self._make_folder()
            self._log.flush()
            facts["log"] = self._log.position
            write_checkpoint(self._folder, self._state.steps, facts, self._state.tensors())
        except OSError as error:
            if not self.failing:
                kept = f"the checkpoint of step {self.step} stays" if self.step else "none is there yet"
                self._tell(
                    f"could not save a checkpoint in {self._folder}: {error.strerror}; {kept}. Training goes "
                    "on, and tries again."
                )
            self.failing = True
            self._due = time.monotonic() + min(self._every, _SECONDS_TO_RETRY)
            return False
        self.step = self._state.steps
        if self.failing:
            self._tell(f"checkpoints can be saved again: that of step {self.step} is in {self._folder}.")
        self.failing = False
        for old in checkpoints_in(self._folder)[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        self._due = time.monotonic() + self._every
        return True

    def standing(self) -> bool:
        """Whether the disk has the run as it ended."""
        return self.step is not None and (self._folder / f"step-{self.step}").is_dir()

    def discard(self) -> None:
        """Removes the folder, where nothing in it is worth to go on from."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # it holds something else, or is gone
            self._folder.parent.rmdir()

    def close(self) -> None:
        """Lets the folder go; one without a checkpoint is removed."""
        self._state = None
        if self._let_go() and self.step is None and not checkpoints_in(self._folder):
            self.discard()

    def _let_go(self) -> bool:
        """Returns whether it was held."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
        return lock is not None

    def _take(self) -> None:
        try:
            self._make_folder()
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _lock(self._lock)
            remove_parts(self._folder)
            for old in checkpoints_in(self._folder) if self._fresh else []:
                shutil.rmtree(old)
        except OSError as error:
            self._let_go()
            with suppress(OSError):
                self._folder.parent.rmdir()  # where this made no more than that
            reason = "another process trains there" if isinstance(error, BlockingIOError) else error.strerror
            raise RheonError(f"checkpoints cannot be kept in {self._folder}: {reason}") from error

    def _make_folder(self) -> None:
        self._folder.parent.mkdir(exist_ok=True)
        self._folder.mkdir(exist_ok=True)

    def _newest(self) -> Saved | None:
        damaged: list[Path] = []
        for place in checkpoints_in(self._folder):
            try:
                facts, tensors = read_checkpoint(place)
                if facts.get("format") != _FORMAT:
                    raise ModelError(f"{place} has the format {facts.get('format')}, not {_FORMAT}")
                larger = self._check(facts["identity"], self.identity)
                self._log.restore(facts["log"])
            except ModelError as error:
                self._tell(f"a checkpoint is left out: {error}")
                damaged.append(place)
                continue
            for other in damaged:  # its name will be wanted again
                shutil.rmtree(other, ignore_errors=True)
            self.step = facts["state"]["steps"]
            self._tell(f"goes on after step {self.step:,}, from the checkpoint in {self._folder}")
            if others := differences(facts["versions"], versions()):
                self._tell(f"the bits may differ from those of a run without a break: {', '.join(others)}")
            if larger > 1:
                facts["state"] = extended(facts["state"], larger)
                self._tell("goes on with a larger budget: the bits are not those of a run that began with it")
            return Saved(facts["state"], tensors, list(self._log.records))
        if damaged:
            raise ModelError(f"{self._folder} has no checkpoint that is whole; start over (--fresh).")
        return None

    def _check(self, then: dict[str, Any], own: dict[str, Any]) -> float:
        """Refuses to go on with a run of other data or settings; returns how much larger the budget is."""
        larger = 1.0
        for name in ("steps", "minutes") if self._extend else ():
            if then.get(name) and own.get(name) and own[name] > then[name]:
                larger = own[name] / then[name]
                then = {**then, name: own[name]}
        differing = differences(then, own)
        if differing:
            raise RheonError(
                f"{self._folder.parent} holds an unfinished run that differs in {', '.join(differing)}: give "
                "the same to go on (or more of steps or minutes, with --extend), start over (--fresh), or "
                "train elsewhere."
            )
        return larger


def _lock(descriptor: int) -> None:
    """For this process alone, until the descriptor is closed or the process ends, however it ends."""
    import fcntl  # not everywhere

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass  # a file system without locks: the care of whoever starts two
