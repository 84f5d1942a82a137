"""Several flows that learn from the same rows: each from all but those that it is judged by."""

import numpy as np
import torch
from torch import Tensor, nn

from rheon.datasets import random_split
from rheon.flow import Flow


class Members(nn.Module):
    """Flows side by side: log p of each row under the member that its context names, rows in their order."""

    def __init__(self, flows: list[Flow]) -> None:
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        counts = context[:, 0].long().bincount(minlength=len(self.flows)).tolist()
        given = context[:, 1:].split(counts) if context.shape[1] > 1 else [None] * len(counts)
        parts = zip(self.flows, x.split(counts), given, strict=True)
        return torch.cat([flow(part, own) for flow, part, own in parts])


class Folds:
    """Rows for each member, in the order of members: those out of its fold to learn from, or those in it.

    Args:
        z: (N, D).
        given: (N, M), or None.
        fold: the number of the member that each row judges, -1 for none; (N,).
        learn: whether the rows are to learn from, or to judge by.
        noise: standard deviation of Gaussian noise that each batch adds to z.
    """

    def __init__(
        self, z: Tensor, given: Tensor | None, fold: Tensor, learn: bool, noise: float = 0.0
    ) -> None:
        self._z, self._given, self._fold, self._learn, self._noise = z, given, fold, learn, noise
        self._members = int(fold.max()) + 1
        self._rows = torch.arange(len(z)) if self._members > 1 or learn else (fold == 0).nonzero()[:, 0]
        if self._members == 1 and learn:
            self._rows = (fold != 0).nonzero()[:, 0]

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = self._rows[rows]
        fold = self._fold[rows]
        parts = [rows[(fold != k) if self._learn else (fold == k)] for k in range(self._members)]
        member = torch.cat([torch.full((len(part), 1), float(k)) for k, part in enumerate(parts)])
        rows = torch.cat(parts)
        if self._given is not None:
            member = torch.cat((member, self._given[rows]), 1)
        x = self._z[rows]
        if self._noise:
            x.add_(torch.randn(x.shape, generator=generator), alpha=self._noise)
        return x, member


def fold_of_each(n: int, seed: int, folds: int) -> Tensor:
    """The number of the member that each row judges; -1 for none."""
    if folds > 1:
        return torch.from_numpy(np.random.default_rng(seed).permutation(n) % folds)
    fold = torch.full((n,), -1)
    fold[torch.from_numpy(random_split(n, 0.1, seed)[1])] = 0
    return fold
