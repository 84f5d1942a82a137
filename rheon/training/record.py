"""What training says after each step."""

from dataclasses import dataclass, fields
from typing import Any, Self

from torch import Tensor

from rheon.training.unit import NATS, Unit


def reading(number: Tensor) -> Tensor | float:
    """A number as a record holds it: read now where that is free, as a tensor where it would have to wait."""
    return number.item() if number.device.type == "cpu" else number


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One step of training.

    From a GPU, ``loss``, ``gradient_norm`` and ``skipped`` are read when they are asked for, since that waits
    for the GPU.

    Attributes:
        step: steps done, this one included.
        seconds: wall time since training began, without that between an interruption and a new process.
        remaining: seconds left, judged by the budget; early stopping can make it less.
        rows_per_second: rows trained on per second so far, the time for validation included.
        learning_rate: of this step.
        validation: mean of -log p over the validation rows under the averaged weights, in nats per row; None
            where this step was not validated.
        best: whether this validation is the best so far.
        threads: number of CPU threads in use.
        trouble: what went wrong, in words, and what was done: a step left out, and in which layer and row it
            was not finite; or the last good weights restored. None where nothing did.
        unit: what a person is told ``loss`` and ``validation`` in.

    >>> import rheon, torch
    >>> from rheon.training import Rows, Settings, train
    >>> rows = Rows(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> for record in train(rheon.architectures.nice(2), rows, None, Settings(steps=3, threads=1)):
    ...     last = record
    >>> last.step, last.skipped, last.validation
    (3, 0, None)
    """

    step: int
    seconds: float
    remaining: float
    rows_per_second: float
    learning_rate: float
    validation: float | None
    best: bool
    threads: int
    trouble: str | None
    _loss: Tensor | float
    _gradient_norm: Tensor | float
    _skipped: Tensor | float
    unit: Unit = NATS

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

    @property
    def likelihoods(self) -> dict[str, float | None]:
        """Loss and validation in ``unit``, under names that say so: ``train_bits_per_dim``, say."""
        validation = None if self.validation is None else self.unit(self.validation)
        name = self.unit.figure
        return {f"train_{name}": self.unit(self.loss), f"validation_{name}": validation}

    def metrics(self) -> dict[str, float]:
        """What is worth a curve, by name: what a tracker of experiments takes, beside ``step``."""
        numbers = {
            **self.likelihoods,
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "rows_per_second": self.rows_per_second,
            "skipped": self.skipped,
        }
        return {name: value for name, value in numbers.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record of which :meth:`as_dict` gave these values."""
        names = [field.name for field in fields(cls) if field.name != "unit"]
        return cls(**{name: values[name.removeprefix("_")] for name in names})

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
            **self.likelihoods,
            **({"likelihood": self.unit.likelihood} if self.unit.likelihood else {}),
            "best": self.best,
            "threads": self.threads,
            "trouble": self.trouble,
        }
