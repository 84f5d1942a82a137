"""Training as TensorBoard shows it."""

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rheon.errors import RheonError

if TYPE_CHECKING:
    from rheon.training.record import Record

SECONDS = 0.1


def check_tensorboard() -> None:
    """Refuses where the package is missing."""
    if importlib.util.find_spec("tensorboard") is None:
        raise RheonError(
            "TensorBoard is not installed; it is an extra of rheon's: pip install 'rheon[tensorboard]'"
        )


class TensorBoard:
    """Writes records as TensorBoard's event files: at most ten a second, and every one that was validated.

    Of a run that went on after a break, TensorBoard shows each step once.

    Args:
        folder: where the files go; made where it is missing.

    Raises:
        RheonError: the package ``tensorboard`` is missing.

    >>> model.fit(data, watch=TensorBoard("runs/first"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        check_tensorboard()
        self._folder = str(folder)
        self._writer: Any = None
        self._written_at = -SECONDS

    def __call__(self, record: "Record") -> None:
        """Takes the record of a step."""
        if record.validation is None and time.monotonic() < self._written_at + SECONDS:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What an earlier process wrote from this step on is not shown: it is done again.
            self._writer = SummaryWriter(self._folder, purge_step=record.step)
        for name, value in record.metrics().items():
            self._writer.add_scalar(name, value, record.step)
        self._written_at = time.monotonic()

    def close(self) -> None:
        """Writes what is left."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
