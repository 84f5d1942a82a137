"""All that a run carries from one step to the next, which is therefore all that a checkpoint must hold."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from rheon.errors import ModelError
from rheon.training.budget import Budget
from rheon.training.descent import Descent
from rheon.training.processes import Alone
from rheon.training.rescue import Rescue
from rheon.training.settings import Settings
from rheon.training.source import Source
from rheon.training.watch import Watch
from rheon.training.weights import Weights


class State:
    """The moving parts of one run, as tensors and plain numbers that can be saved and put back.

    The order of the data and all noise are functions of (seed, step), so no generator is among them.

    Args:
        moved: the buffers of the flow that a forward pass moves.

    Attributes:
        steps: done so far.
        over: whether no step follows.
        threads: number of CPU threads that all steps take, since the bits depend on it.
    """

    def __init__(
        self,
        flow: nn.Module,
        moved: Sequence[Tensor],
        validation: Source | None,
        settings: Settings,
        budget: Budget,
        threads: int,
        ranks: Alone | None = None,
    ) -> None:
        self.steps, self.over, self.threads = 0, False, threads
        self.budget = budget
        self.weights = Weights(flow)
        self.watch = Watch(flow, self.weights, validation, settings, budget, ranks)
        self.descent = Descent(self.weights, settings, moved, ranks)
        self.rescue = Rescue(self.descent, self.watch.average, moved)
        self._flow = flow

    def numbers(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON can hold it to the bit."""
        return {
            "steps": self.steps,
            "over": self.over,
            "threads": self.threads,
            "budget": self.budget.numbers(),
            "watch": self.watch.numbers(),
            "rescue": self.rescue.numbers(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The tensors themselves, not copies: θ, the rest of the flow, moments, averages, best, last good."""
        frozen = ((name, p) for name, p in self._flow.named_parameters() if not p.requires_grad)
        rest = chain(frozen, self._flow.named_buffers())
        return {
            "theta": self.weights.vector,
            **{f"flow.{name}": tensor.detach() for name, tensor in rest},
            **{f"descent.{name}": tensor for name, tensor in self.descent.tensors().items()},
            **{f"watch.{name}": tensor for name, tensor in self.watch.tensors().items()},
            **{f"good.{name}": tensor for name, tensor in self.rescue.tensors().items()},
        }

    @torch.no_grad()
    def restore(self, numbers: dict[str, Any], tensors: dict[str, Tensor] | None) -> None:
        """Puts back what :meth:`numbers` and :meth:`tensors` gave in a run of the same flow and settings.

        Without tensors it makes room for them.

        Raises:
            ModelError: the tensors are not those of this flow.
        """
        self.steps, self.over, self.threads = numbers["steps"], numbers["over"], numbers["threads"]
        self.budget.restore(numbers["budget"])
        self.watch.restore(numbers["watch"])
        self.rescue.restore(numbers["rescue"])
        if tensors is None:
            return
        own = self.tensors()
        fault = next((name for name in sorted({*own, *tensors}) if not _alike(own, tensors, name)), None)
        if fault is not None:
            raise ModelError(f"the checkpoint is one of another flow: its {fault!r} does not fit this one")
        for name, tensor in own.items():
            saved = tensors[name].to(tensor.device)
            if not torch.equal(tensor, saved):  # a constant may be one number expanded, not to be written to
                tensor.copy_(saved)


def extended(numbers: dict[str, Any], larger: float) -> dict[str, Any]:
    """The numbers of a state whose budget became so many times as large: shares of it are as much smaller."""
    watch = dict(numbers["watch"])
    watch["due"] /= larger
    watch["best_progress"] /= larger
    over = watch["hopeless"] or numbers["rescue"]["lost"]
    return {**numbers, "watch": watch, "over": over}


def _alike(own: dict[str, Tensor], saved: dict[str, Tensor], name: str) -> bool:
    if name not in own or name not in saved:
        return False
    return (own[name].shape, own[name].dtype) == (saved[name].shape, saved[name].dtype)
