"""What flows of real columns learn from: preprocessed rows in folds, and the mixtures beside the flows."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rheon.flow import Flow
from rheon.tables.floor import Floor, flow_weight
from rheon.tables.folds import Folds
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.sizing import MANY
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
    log_dets: Tensor
    """log|det ∂z/∂y| of the rows judged by, in the order of members."""
    floor: tuple[Floor, Tensor] | None
    """The mixtures, if any, and log p(y) of the rows judged by under what has not learned from them."""

    @cached_property
    def folds(self) -> list[Fold]:
        """Of each member."""
        return folds_of(self.fold)

    @property
    def log_det(self) -> float:
        """Mean of log|det ∂z/∂y| over the rows judged by."""
        return float(self.log_dets.mean())

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

    def weigh(self, flows: list[Flow]) -> tuple[Floor | None, float]:
        """The mixtures, and the weight of the flows beside them by rows that neither has learned from."""
        if self.floor is None:
            return None, 1.0
        floor, beside = self.floor
        with torch.no_grad():
            ours = torch.cat(
                [
                    flow(self.z[rows]).double()
                    for flow, (_, left_out) in zip(flows, self.folds, strict=True)
                    for rows in left_out.split(TILE)
                ]
            )
        return floor, flow_weight(ours + self.log_dets, beside)


def folds_of(fold: Tensor) -> list[Fold]:
    """For each member the rows out of its fold, and those in it."""
    return [((fold != k).nonzero()[:, 0], (fold == k).nonzero()[:, 0]) for k in range(int(fold.max()) + 1)]


def judged(folds: list[Fold]) -> Tensor:
    """The rows that some member is judged by, in the order of members."""
    return torch.cat([left_out for _, left_out in folds])


def prepare(y: Tensor, context: Tensor | None, fold: Tensor, floor: bool, seed: int) -> Prepared:
    """Fits the preprocessing to rows y (N, D) and a context, float64, and mixtures where there are to be any.

    Few rows may be normal in clusters, whose columns are not: so the mixtures of few are in straight columns
    as well.
    """
    rows = judged(folds_of(fold))
    preprocessing = Preprocessing.fit(y)
    mixtures = None
    if floor:
        many = len(y) >= MANY
        spaces = [preprocessing] if many else [preprocessing, Preprocessing.fit(y, curved=False)]
        mixtures = Floor.fit(y, spaces, fold, seed, many)
    known, given = None, None
    if context is not None:
        known = Preprocessing.fit(context, whiten=False)
        given = known.training_rows(context)
    z, log_dets = preprocessing.training_rows(y), preprocessing.forward(y[rows])[1]
    return Prepared(preprocessing, z, known, given, fold, log_dets, mixtures)
