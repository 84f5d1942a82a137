"""Gaussian mixtures beside the flow, so that no table is learned worse than by a mixture.

    p(y) = w p_flow(y) + (1 - w) Σ_i s_i p_i(y)

The p_i have few components and many, smooth ones and sharp ones, in curved columns and in straight ones.
No one of them is chosen: s is, like w, what makes rows probable that neither has learned from. All is exact,
in density and in samples.

Reference: Smyth, Wolpert, *Linearly Combining Density Estimators via Stacking*, 1999,
doi:10.1023/A:1007511322260.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rheon.errors import ModelError
from rheon.tables.annealing import annealed
from rheon.tables.mixture import Mixture
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.tiles import TILE

_POWERS = (1, 2, 4, 8, 16, 32, 64, 128)
_BETWEEN = (3, 6, 12, 24, 48, 96)
"""Numbers of components: those between are tried where they take little time, too."""

_WORK, _WORK_OF_MANY = 8e8, 1e8
"""Rows times folds, spaces, D (D + 1) / 2 + 20 and all components, at most: some seconds."""
_NUMBERS = 2e7
"""Rows that are looked at times D², at most."""
_ROWS = 20_000

_KEPT = 12
"""Mixtures of which the floor consists, at most."""
_COMPONENTS = 64
"""Components that they have together where many rows will be scored, at most."""

_ROUNDS = 30
"""Of the weights' EM, from equal weights: where few rows tell, they stay near one another."""


class Floor:
    """Σ_s share_s p_s(z_s) |det ∂z_s/∂y|, mixtures in one space of columns or in more.

    Args:
        first: the space of the flows.
        spaces: of y → z_s; ``first`` may be among them.
        mixtures: p_s, one in each.
        shares: positive, of sum 1.
    """

    def __init__(
        self,
        first: Preprocessing,
        spaces: Sequence[Preprocessing],
        mixtures: Sequence[Mixture],
        shares: Sequence[float],
    ) -> None:
        self.first = first
        self.spaces, self.mixtures, self.shares = list(spaces), list(mixtures), list(shares)

    def log_prob(self, y: Tensor, z: Tensor, log_det: Tensor) -> Tensor:
        """log p of y (N, D) float64: (N,). z and log_det are what the first space makes of y."""
        parts = []
        for space, mixture, share in zip(self.spaces, self.mixtures, self.shares, strict=True):
            z_s, log_det_s = (z, log_det) if space is self.first else space.forward(y)
            parts.append(mixture.log_prob(z_s) + log_det_s + np.log(share))
        return torch.stack(parts).logsumexp(0)

    def sample(self, n: int, temperature: float, generator: torch.Generator) -> Tensor:
        """Draws of y, (n, D) float64; the noise of each component is scaled by ``temperature``."""
        shares = torch.tensor(self.shares, dtype=torch.float64)
        which = shares.multinomial(n, replacement=True, generator=generator) if n else torch.empty(0)
        y = torch.empty(n, self.mixtures[0].means.shape[1], dtype=torch.float64)
        for s, (space, mixture) in enumerate(zip(self.spaces, self.mixtures, strict=True)):
            rows = (which == s).nonzero()[:, 0]
            y[rows] = space.inverse(mixture.sample(len(rows), temperature, generator))
        return y

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` takes."""
        found = {"shares": torch.tensor(self.shares, dtype=torch.float64)}
        for s, (space, mixture) in enumerate(zip(self.spaces, self.mixtures, strict=True)):
            found |= {f"mixture{s}.{name}": t for name, t in mixture.tensors().items()}
            if space is not self.first:
                found |= {f"space{s}.{name}": t for name, t in space.tensors().items()}
        return found

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], first: Preprocessing) -> Self:
        """What ``tensors`` gave; ``first``: the space of the flows.

        Raises:
            ModelError: they are no floor beside such flows.
        """
        features, shares = first.features, tensors.get("shares")
        if shares is None or shares.dim() != 1 or not 1 <= len(shares) <= 2:
            raise ModelError("the mixtures beside the flow lack their shares.")
        if not bool((shares > 0).all() & ((shares.sum() - 1).abs() < 1e-6)):
            raise ModelError("the shares of the mixtures beside the flow must be positive, of sum 1.")

        def of(group: str) -> dict[str, Tensor]:
            return {n.removeprefix(f"{group}."): t for n, t in tensors.items() if n.startswith(f"{group}.")}

        mixtures = [Mixture.from_tensors(of(f"mixture{s}"), features) for s in range(len(shares))]
        own = [of(f"space{s}") for s in range(len(shares))]
        spaces = [Preprocessing.from_tensors(space) if space else first for space in own]
        if any(space.features != features for space in spaces):
            raise ModelError("the mixtures beside the flow are of another number of columns.")
        return cls(first, spaces, mixtures, shares.tolist())

    @classmethod
    def fit(
        cls, y: Tensor, spaces: Sequence[Preprocessing], fold: Tensor, seed: int, many: bool = False
    ) -> tuple[Self, Tensor]:
        """Learns mixtures of rows y (N, D) for each fold, and stacks them; fold as in ``fold_of_each``.

        The first of the spaces is that of the flows. The floor is the mean of what the folds, and all rows,
        teach. Of ``many`` rows to score it has few components. Returns also log p of the rows that are
        judged, in the order of folds, under what has not learned from them.
        """
        folds, rows = int(fold.max()) + 1, _some(fold, y.shape[1])
        own = fold[rows]
        learn = torch.stack([own != f for f in range(folds + (folds > 1))])  # the last from all rows
        judged = (own >= 0).nonzero()[:, 0]
        found: list[_Candidate] = []
        scores, work = [], (_WORK_OF_MANY if many else _WORK) / (len(rows) * folds * len(spaces))
        for space in spaces:
            z, log_det = space.training_rows(y[rows]), space.forward(y[rows[judged]])[1]
            for k in _sizes(work, y.shape[1], int(learn.sum(1).min())):
                for mixtures, log_p in annealed(z, learn, k, seed):
                    found.append(_Candidate(space, mixtures))
                    scores.append(log_p[own[judged], judged] + log_det)
        log_p = torch.stack(scores)
        kept = _best(stacked(log_p), [len(each.mixtures[0].weights) for each in found], many)
        weights, best = stacked(log_p[kept]), [found[i] for i in kept]
        beside = []
        for f in range(folds):
            floor, mine = cls._of(best, weights, spaces, [f]), y[fold == f]
            beside += [floor.log_prob(part, *floor.first.forward(part)) for part in mine.split(TILE)]
        return cls._of(best, weights, spaces, range(len(learn))), torch.cat(beside)

    @classmethod
    def _of(
        cls, best: list["_Candidate"], weights: Tensor, spaces: Sequence[Preprocessing], folds: Sequence[int]
    ) -> Self:
        """The mean over folds, in the spaces that have any."""
        floor = cls(spaces[0], [], [], [])
        for space in spaces:
            own = [i for i, each in enumerate(best) if each.space is space]
            if own:
                parts = [best[i].mixtures[f] for i in own for f in folds]
                floor.mixtures.append(Mixture.blend(parts, weights[own].repeat_interleave(len(folds))))
                floor.spaces.append(space)
                floor.shares.append(float(weights[own].sum()))
        return floor


@dataclass(frozen=True)
class _Candidate:
    space: Preprocessing
    mixtures: list[Mixture]
    """Of each fold."""


def stacked(log_p: Tensor) -> Tensor:
    """Weights (M,) of densities, of which log_p (M, N) is of rows that they have not learned from."""
    weights = log_p.new_full((len(log_p),), 1 / len(log_p))
    for _ in range(_ROUNDS):
        weights = (log_p + weights.log().unsqueeze(1)).softmax(0).mean(1)
    return weights


def flow_weight(flow: Tensor, mixture: Tensor) -> float:
    """w of highest likelihood, from log p of rows under each of the two: the fixed point of EM."""
    # A flow that gives no number is worth nothing there.
    odds = (mixture - flow.nan_to_num(nan=-torch.inf)).clamp(-700, 700).exp()
    w = 0.9
    for _ in range(300):
        w = float((w / (w + (1 - w) * odds)).mean())
    return min(max(w, 1e-3), 1 - 1e-3)


def _best(weights: Tensor, components: list[int], many: bool) -> list[int]:
    """Which mixtures are kept: those of the greatest weights."""
    kept: list[int] = []
    for i in weights.argsort(descending=True, stable=True).tolist():
        together = sum(components[j] for j in [*kept, i])
        if len(kept) < _KEPT and (together <= _COMPONENTS or not many):
            kept.append(i)
    return kept


def _some(fold: Tensor, d: int) -> Tensor:
    """Rows that are looked at: of many, the first that each fold judges and the first that none does."""
    most = int(min(max(_NUMBERS / d**2, 1000), _ROWS))
    parts = [(fold == f).nonzero()[:most, 0] for f in range(-1, int(fold.max()) + 1)]
    return torch.cat(parts).sort().values


def _sizes(work: float, d: int, learn: int) -> list[int]:
    """Numbers of components to try; ``work``: what may be done for a row, ``learn``: rows to learn from."""
    found: list[int] = []
    for k in (*_POWERS, *_BETWEEN):
        costs = (d * (d + 1) / 2 + 20) * (sum(found) + k)
        if k == 1 or (k * (d + 2) <= learn and costs <= work):
            found.append(k)
    return found
