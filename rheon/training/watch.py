"""Validation while training runs: how good the averaged weights are, which were best, and when to stop."""

import copy
import math
import time
from typing import Any

import torch
from torch import Tensor, nn

from rheon.training.budget import Budget
from rheon.training.ema import Average
from rheon.training.processes import Alone
from rheon.training.randomness import Stream, generator_for
from rheon.training.settings import Settings
from rheon.training.source import Source
from rheon.training.weights import Weights

_LARGEST_SHARE = 0.1
# Of a step's time the forward pass is about a third, and validating a batch is a forward pass.
_STEPS_PER_BATCH = 1 / 3


class Watch:
    """Validates the averaged weights now and then, keeps the best, and sees when nothing gets better.

    Validations are ``settings.validate_every`` of the budget apart, or further where they would take more
    than a tenth of it. Without validation rows none is ever due, and the best weights are the averaged ones.
    """

    def __init__(
        self,
        flow: nn.Module,
        weights: Weights,
        validation: Source | None,
        settings: Settings,
        budget: Budget,
        ranks: Alone | None = None,
    ) -> None:
        self.average = Average(weights.moving, settings.ema_decay)
        self.best_value = math.inf
        self.hopeless = False
        self._best: list[Tensor] | None = None
        self._best_progress = 0.0
        self._due = settings.validate_every
        self._weights = weights
        self._validation = validation
        self._settings = settings
        self._budget = budget
        self._ranks = ranks or Alone()
        self._averaged_flow = None if validation is None else copy.deepcopy(flow).eval()

    @property
    def best(self) -> list[Tensor]:
        """The best weights so far: validated if there was a validation, else the averaged ones."""
        return self.average.values if self._best is None else self._best

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights, and the best where some were validated."""
        groups = {"average": self.average.values, "best": self._best or []}
        return {f"{name}.{n}": tensor for name, tensors in groups.items() for n, tensor in enumerate(tensors)}

    def numbers(self) -> dict[str, Any]:
        """What it carries from step to step beside them."""
        return {
            "updates": self.average.updates,
            "best_value": None if self._best is None else self.best_value,
            "best_progress": self._best_progress,
            "due": self._due,
            "hopeless": self.hopeless,
        }

    def restore(self, numbers: dict[str, Any]) -> None:
        """Takes :meth:`numbers` back, and makes room for the tensors that belong to them."""
        self.average.updates = numbers["updates"]
        if numbers["best_value"] is not None:
            self.best_value = numbers["best_value"]
            self._best = [tensor.clone() for tensor in self.average.values]
        self._best_progress, self._due = numbers["best_progress"], numbers["due"]
        self.hopeless = numbers["hopeless"]

    def due(self, progress: float) -> bool:
        """Whether it is time to validate."""
        return progress >= self._due

    def validate(self, progress: float) -> tuple[float | None, bool]:
        """Returns the mean of -log p under the averaged weights, and whether it is the best so far."""
        if self._validation is None or self._averaged_flow is None:
            return None, False
        start = time.perf_counter()
        self._weights.copy_into(self._averaged_flow, self.average.values)
        # No activations are kept for a backward pass, so several batches fit where one did in training.
        chunk = max(4 * self._settings.batch_size // self._settings.accumulate, 1)
        value = mean_nats(self._averaged_flow, self._validation, chunk, self._settings.seed, self._ranks)
        if best := value < self.best_value:
            self.best_value, self._best_progress = value, progress
            self._best = [tensor.clone() for tensor in self.average.values]
        patience = self._settings.patience
        self.hopeless = patience is not None and progress - self._best_progress > patience
        steps = _STEPS_PER_BATCH * len(self._validation) / self._settings.batch_size
        cost = self._ranks.first(self._budget.spend(steps, time.perf_counter() - start))
        self._due = progress + max(self._settings.validate_every, cost / _LARGEST_SHARE)
        return value, best


@torch.no_grad()
def mean_nats(flow: nn.Module, source: Source, chunk: int, seed: int, ranks: Alone | None = None) -> float:
    """Mean of -log p over all rows of a source, in nats per row, summed in float64.

    The source gives batches on the flow's device. Rows go through in fixed chunks, and the noise of a chunk
    depends on the seed and its place alone, so two calls differ by the weights and nothing else. Several
    processes take chunks in turn.
    """
    ranks = ranks or Alone()
    total = torch.zeros((), dtype=torch.float64, device=next(flow.parameters()).device)
    for place, start in enumerate(range(0, len(source), chunk)):
        if place % ranks.count != ranks.rank:
            continue
        rows = torch.arange(start, min(start + chunk, len(source)))
        x, context = source.batch(rows, generator_for(seed, Stream.VALIDATION, place))
        total -= flow(x, context).sum(dtype=torch.float64)
    return float(ranks.sum(total)) / len(source)
