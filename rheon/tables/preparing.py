"""What flows of real columns learn from: preprocessed rows in folds, and the mixture beside the flows."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rheon.flow import Flow
from rheon.tables.floor import Mixture, flow_weight
from rheon.tables.folds import Folds
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.sizing import FEW
from rheon.tables.tiles import TILE

Fold = tuple[Tensor, Tensor]
"""The rows that a member learns from, and those that it is judged by."""


@dataclass(frozen=True)
class Prepared:
    """N rows that M members learn from."""

    preprocessing: Preprocessing
    z: Tensor
    """The columns, preprocessed, (N, D) float32."""
    given_preprocessing: Preprocessing | None
    given: Tensor | None
    """The context, preprocessed, float32."""
    fold: Tensor
    """The number of the member that each row judges, -1 for none; (N,)."""
    log_det: float
    """Mean of log|det ∂z/∂y| over the rows judged by."""
    floor: tuple[Mixture, Tensor] | None
    """The mixture, if any, and log p of each row under what of it has not learned from that row."""

    @cached_property
    def folds(self) -> list[Fold]:
        """Of each member."""
        return folds_of(self.fold)

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows there are to learn from, and how many to judge by."""
        if len(self.folds) > 1:
            return len(self.z), len(self.z)
        learn, judge = self.folds[0]
        return len(learn), len(judge)

    def source(self, *, learn: bool, noise: float = 0.0) -> Folds:
        """The rows to learn from, with noise of so many standard deviations, or those to judge by."""
        return Folds(self.z, self.given, self.fold, learn, noise)

    def weigh(self, flows: list[Flow]) -> tuple[Mixture | None, float]:
        """The mixture, and the weight of the flows beside it by rows that neither has learned from."""
        if self.floor is None:
            return None, 1.0
        mixture, beside = self.floor
        with torch.no_grad():
            ours = torch.cat(
                [
                    flow(self.z[rows]).double()
                    for flow, (_, left_out) in zip(flows, self.folds, strict=True)
                    for rows in left_out.split(TILE)
                ]
            )
        return mixture, flow_weight(ours, beside[judged(self.folds)])


def folds_of(fold: Tensor) -> list[Fold]:
    """For each member the rows out of its fold, and those in it."""
    return [((fold != k).nonzero()[:, 0], (fold == k).nonzero()[:, 0]) for k in range(int(fold.max()) + 1)]


def judged(folds: list[Fold]) -> Tensor:
    """The rows that some member is judged by, in the order of members."""
    return torch.cat([left_out for _, left_out in folds])


def prepare(y: Tensor, context: Tensor | None, fold: Tensor, floor: bool, seed: int) -> Prepared:
    """Fits the preprocessing to rows y (N, D) and a context, float64, and a mixture where there is to be one.

    Few rows may be normal in clusters, whose columns are not: whether they are the better known by
    straight columns is told by the mixture.
    """
    folds = folds_of(fold)
    rows = judged(folds)
    found = []
    for curved in (True, False) if floor and len(y) < FEW else (True,):
        preprocessing = Preprocessing.fit(y, curved=curved)
        z = preprocessing.training_rows(y)
        mixture = Mixture.fit(z, folds, seed) if floor else None
        log_det = float(preprocessing.forward(y[rows])[1].mean())
        score = log_det + (float(mixture[1][rows].mean()) if mixture else 0.0)
        found.append((score, preprocessing, log_det, z, mixture))
    _, preprocessing, log_det, z, mixture = max(found, key=lambda each: each[0])
    given_preprocessing = None if context is None else Preprocessing.fit(context, whiten=False)
    given = (
        given_preprocessing.training_rows(context) if given_preprocessing and context is not None else None
    )
    return Prepared(preprocessing, z, given_preprocessing, given, fold, log_det, mixture)
