"""What training says after each step."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One step of training.

    ``loss``, ``gradient_norm`` and ``skipped`` stay on the device until they are asked for, since reading a
    number from a GPU waits for it.

    Attributes:
        step: steps done, this one included.
        seconds: wall time since training began.
        remaining: seconds left, judged by the budget; early stopping can make it less.
        rows_per_second: rows trained on per second so far, the time for validation included.
        learning_rate: of this step.
        validation: mean of -log p over the validation rows under the averaged weights, in nats per row; None
            where this step was not validated.
        best: whether this validation is the best so far.
        threads: number of CPU threads in use.
    """

    step: int
    seconds: float
    remaining: float
    rows_per_second: float
    learning_rate: float
    validation: float | None
    best: bool
    threads: int
    _loss: Tensor
    _gradient_norm: Tensor
    _skipped: Tensor

    @property
    def loss(self) -> float:
        """Mean of -log p over the batch, nats per row."""
        return float(self._loss)

    @property
    def gradient_norm(self) -> float:
        """Norm of the loss's gradient, before clipping."""
        return float(self._gradient_norm)

    @property
    def skipped(self) -> int:
        """Steps left out so far, because the loss or its gradient was not finite."""
        return int(self._skipped)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for a log."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "remaining": self.remaining,
            "rows_per_second": self.rows_per_second,
            "learning_rate": self.learning_rate,
            "loss": self.loss,
            "gradient_norm": self.gradient_norm,
            "skipped": self.skipped,
            "validation": self.validation,
            "best": self.best,
            "threads": self.threads,
        }
