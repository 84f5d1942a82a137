"""Where a flow is trained: on a GPU where there is one, else on the CPU."""

import os
from typing import Any

import torch
from torch import Tensor

from rheon.errors import RheonError
from rheon.training.processes import launched
from rheon.training.source import Encoded, Rows, Source

_SHARE = 0.5
"""Of a GPU's free memory, what data may take to be kept there."""


def chosen_device(asked: str, home: torch.device | str = "cpu") -> torch.device:
    """The device to train on.

    "auto" is the one that the flow is on, if that is no CPU, else a GPU, else the CPU. Of several processes
    that ``torchrun`` started each takes the GPU of its own number, and with "auto" none takes one if there
    are not enough for all.

    Args:
        asked: "auto", "cpu", "cuda" or "cuda:K".
        home: where the flow is.

    Raises:
        RheonError: the device is not there.

    >>> chosen_device("cpu")
    device(type='cpu')
    """
    home = torch.device(home)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number, needed = 0, 1
    if launched():
        number = int(os.environ.get("LOCAL_RANK", "0"))
        needed = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    elif there:
        number = torch.cuda.current_device()
    if asked == "auto":
        if home.type != "cpu":
            return home
        asked = "cuda" if there >= needed else "cpu"
    device = torch.device(f"cuda:{number}" if asked == "cuda" else asked)
    if device.type == "cuda" and device.index >= there:
        names = ["cpu", *(f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(there))]
        raise RheonError(f"device: {device} is not there; this machine has {', '.join(names)}.")
    return device


def on_device(source: Source, device: torch.device) -> Source:
    """The source whose batches are on this device: :class:`Rows` kept there if they fit, others moved."""
    if device.type == "cpu":
        return source
    if isinstance(source, Rows) and source.nbytes <= _SHARE * _free(device):
        source = source.to(device)
    return Moved(source, device)


class Moved:
    """A source whose batches are moved to a device as they are asked for.

    Rows are chosen and noise is drawn on the CPU, so that they are the same wherever a flow is trained.

    Args:
        source: where they come from.
        device: where they go.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        self._source, self._device = source, device

    def __len__(self) -> int:
        return len(self._source)

    def __getattr__(
        self, name: str
    ) -> Any:  # what a source may have beside: ``expect``, ``order``, ``columns``
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def batch(self, rows: Tensor, generator: torch.Generator) -> Encoded:
        """Those rows, there."""
        x, context = self._source.batch(rows, generator)
        return x.to(self._device), None if context is None else context.to(self._device)


def _free(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
