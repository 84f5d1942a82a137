"""How much of a run is done and how much is left, in steps or in wall time."""

import time
from collections.abc import Callable

from rheon.training.settings import Settings


class Budget:
    """The clock of one run, which starts when it is made.

    A budget in steps asks the time for ``remaining`` and ``pace`` only, so the run is the same on a slow
    machine. A budget in minutes keeps the time of one validation in reserve for the end, so that the learning
    rate reaches zero and training ends on time.

    Args:
        settings: steps or minutes.
        clock: seconds since some moment, never going back.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> None:
        self._steps = settings.steps
        self._seconds = 60 * (settings.minutes or 0.0)
        self._clock = clock
        self._start = clock()
        self._first_step = 0.0
        self._reserve = 0.0

    @property
    def seconds(self) -> float:
        """Wall time since the start, without that between an interruption and a new process."""
        return self._clock() - self._start

    def numbers(self) -> dict[str, float]:
        """What is spent so far, to be saved."""
        return {"seconds": self.seconds, "first_step": self._first_step, "reserve": self._reserve}

    def restore(self, numbers: dict[str, float]) -> None:
        """Goes on from what :meth:`numbers` gave, as if no time had passed since."""
        self._start = self._clock() - numbers["seconds"]
        self._first_step, self._reserve = numbers["first_step"], numbers["reserve"]

    def begin_steps(self) -> None:
        """Says that set-up is over: the pace of the steps is measured from now on."""
        self._first_step = self.seconds

    def progress(self, step: int) -> float:
        """Share of the budget that is gone at step 0, 1, … (in its middle), in [0, 1]."""
        if self._steps is not None:
            return (step + 0.5) / self._steps
        return min(self.seconds / (self._seconds - self._reserve), 1.0)

    def over(self, steps: int) -> bool:
        """Whether no step follows after this many."""
        if self._steps is not None:
            return steps >= self._steps
        return self.seconds >= self._seconds - self._reserve

    def spend(self, steps: float, seconds: float) -> float:
        """Notes a validation, worth so many steps, that took so long; returns its share of the budget."""
        if self._steps is not None:
            return steps / self._steps
        self._reserve = min(seconds, 0.5 * self._seconds)
        return seconds / self._seconds

    def pace(self, steps: int) -> float:
        """Seconds per step after this many, validations included."""
        return (self.seconds - self._first_step) / steps

    def remaining(self, steps: int) -> float:
        """Seconds left after this many steps; early stopping can make it less."""
        if self._steps is not None:
            return (self._steps - steps) * self.pace(steps)
        return max(self._seconds - self.seconds, 0.0)
