"""What becomes of a run whose steps go wrong: told, taken back to where it was well, or ended."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from rheon.errors import DivergedError
from rheon.training.descent import Descent
from rheon.training.ema import Average

IN_ROW = 5
"""Steps left out one after the other that take a run back."""

RETURNS = 3
"""Times that a run is taken back before it is given up."""

_EVERY = 100
_TOLD = 10
# On a GPU a look waits for it; what is left out changes nothing, so a late look costs only time.
_STEPS_BETWEEN_LOOKS = 20


class Rescue:
    """Keeps the last good state of a run, and puts it back when training has lost its way.

    Every 100 steps the state is kept if the step at hand is finite, so the weights that are kept are known to
    give a finite loss. After 5 steps in a row that were left out it comes back: weights, Adam's moments,
    averages and buffers; and steps are half as long from then on. After the third return the next five end
    the run.

    Attributes:
        returns: how often the run was taken back.
        trouble: what was wrong with the last step that was left out, in words.
        lost: whether the run is to end.
    """

    def __init__(self, descent: Descent, average: Average, moved: Sequence[Tensor]) -> None:
        self.returns, self.trouble, self.lost = 0, "", False
        self._descent, self._average = descent, average
        self._state = [*descent.moving(), *average.values, *moved]
        self._good = [tensor.detach().clone() for tensor in self._state]
        self._good_updates = average.updates
        self._skipped = self._told = 0
        self._looks_at = 1 if self._state[0].device.type == "cpu" else _STEPS_BETWEEN_LOOKS

    @property
    def factor(self) -> float:
        """By which the learning rate is multiplied."""
        return 0.5**self.returns

    def numbers(self) -> dict[str, Any]:
        """What it carries from step to step, beside the tensors."""
        return {
            "returns": self.returns,
            "trouble": self.trouble,
            "lost": self.lost,
            "good_updates": self._good_updates,
            "skipped": self._skipped,
            "told": self._told,
        }

    def restore(self, numbers: dict[str, Any]) -> None:
        """Takes :meth:`numbers` back."""
        self.returns, self.trouble, self.lost = numbers["returns"], numbers["trouble"], numbers["lost"]
        self._good_updates = numbers["good_updates"]
        self._skipped, self._told = numbers["skipped"], numbers["told"]

    def tensors(self) -> dict[str, Tensor]:
        """The last good state."""
        return {str(n): tensor for n, tensor in enumerate(self._good)}

    def keep(self, step: int, finite: Tensor) -> None:
        """Keeps the state before step 0, 1, … is taken, where it is time to and the step is finite."""
        if step % _EVERY == 0 and bool(finite):
            for kept, tensor in zip(self._good, self._state, strict=True):
                kept.copy_(tensor)
            self._good_updates = self._average.updates

    def look(self, step: int, find: Callable[[int], str | None]) -> str | None:
        """Sees whether steps were left out; takes the run back where they were too many in a row.

        Args:
            step: 0, 1, …, the one that was just taken or left out.
            find: what is not finite in the batch of a step.

        Returns:
            what went wrong and what was done, in words, or None.
        """
        if (step + 1) % self._looks_at or (skipped := int(self._descent.skipped)) == self._skipped:
            return None
        self._skipped = skipped
        said = None
        if self._told < _TOLD:
            self._told += 1
            candidates = range(step, max(step - self._looks_at, -1), -1)
            found = next(((s, fault) for s in candidates if (fault := find(s))), None)
            at, self.trouble = found or (step, "what was not finite is not found again")
            said = f"step {at + 1:,} was left out: {self.trouble}"
            if self._told == _TOLD:
                said += "; the next ones are only counted"
        if self._descent.in_row >= IN_ROW:
            said = self._return(step)
        return said

    def end(self) -> None:
        """Raises :class:`DivergedError` where the run is lost."""
        if self.lost:
            raise DivergedError(
                f"training was given up: {self.trouble}. The last good weights came back {RETURNS} times, "
                "each time with half the step size, and steps are still not finite. The best weights are "
                "kept; try a smaller learning rate, or look at that row."
            )

    def _return(self, step: int) -> str:
        if self.returns == RETURNS:
            self.lost = True
            return f"step {step + 1:,} ended training: {self.trouble}"
        self.returns += 1
        for kept, tensor in zip(self._good, self._state, strict=True):
            tensor.copy_(kept)
        self._average.updates = self._good_updates
        self._descent.in_row.zero_()
        return (
            f"after step {step + 1:,} the last good weights came back, with {self.factor:g} of the first "
            f"step size, since {IN_ROW} steps in a row were left out: {self.trouble}"
        )
