"""How unlike the rows that it has learned from a row is, in three ways taken together.

    S(x) = -Σ_k log p_k(x),    p_k(x) = share of ordinary rows that are as surprising as x in the way k

The ways: -log p of volume-preserving flows, -log p of a Gaussian mixture, the distance to the nearest row,
or to the fifth nearest. They see a large, a middle and a small scale of the density. "Ordinary" are the rows
learned from, each judged by what has not seen it. Ranks let no way drown the others, whatever its units and
tails.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rheon.architectures import build, nice
from rheon.estimators.clusters import clusters
from rheon.estimators.learned import Array, varying
from rheon.flow import Flow
from rheon.storage import load_module
from rheon.tables.mixture import Mixture
from rheon.tables.tiles import in_tiles
from rheon.training import Rows, Settings, train
from rheon.training.threads import lent_threads

_FOLDS = 4
_MANY = 2000
"""Rows from which two of the four folds are left out in turn, in place of all: there is more to judge by."""

_ENOUGH = 10_000
"""Rows among which neighbours are looked for."""

_TAIL = 0.1
"""Beyond every ordinary row p falls by this power of the distance: little, so that no way drowns others."""

_NOISE = 0.1
"""Of training, in standard deviations: repeated values and whole numbers have no density without it."""


class Surprise:
    """S(x), learned from rows (N, D), of which some columns vary.

    Args:
        rows: (N, D).
        settings: of the training of each flow.
        neighbour: to which the distance is: 1, the nearest, where all rows are ordinary; later ones where
            some may be outliers, which are near one another.

    A column that does not vary has p = 1 / (N + 1) for any other value: the rule of succession.

    References: Dinh, Krueger, Bengio, *NICE*, 2015, arXiv:1410.8516, for the flows; Fisher, *Statistical
    Methods for Research Workers*, 1932, section 21.1, for the sum of log p; Ramaswamy, Rastogi, Shim,
    *Efficient algorithms for mining outliers from large data sets*, 2000, for the distance.
    """

    def __init__(self, rows: Array, settings: Settings, neighbour: int = 1) -> None:
        self.neighbour = neighbour
        self.varies, self.values, self.n = varying(rows), rows[0].copy(), len(rows)
        with lent_threads(1):
            y = rows[:, self.varies]
            self.mean, self.scale = y.mean(0), y.std(0)
            z = torch.from_numpy((y - self.mean) / self.scale)
            rng = np.random.default_rng(settings.seed)
            members = _FOLDS if len(z) < _MANY else 2
            if settings.minutes is not None:
                settings = replace(settings, minutes=settings.minutes / members)
            fold = torch.from_numpy(rng.permutation(len(z)) % _FOLDS)
            folds = [((fold != k).nonzero()[:, 0], (fold == k).nonzero()[:, 0]) for k in range(members)]
            self.near = z[torch.from_numpy(rng.permutation(len(z))[:_ENOUGH])]
            self.mixture, beside = clusters(z, folds, settings.seed)
            self.orders = [torch.from_numpy(rng.permutation(z.shape[1])) for _ in folds]
            self.flows = [
                _flow(z[:, order].float(), *rows_of, settings)
                for order, rows_of in zip(self.orders, folds, strict=True)
            ]
            flows = torch.cat(
                [
                    in_tiles(flow, z[left_out][:, order].float())
                    for flow, order, (_, left_out) in zip(self.flows, self.orders, folds, strict=True)
                ]
            )
            near = self._distance(self.near)
        self.ordinary = [np.sort(ways.numpy()) for ways in (-flows, -beside[~beside.isnan()], near)]

    def __call__(self, rows: Array) -> Array:
        """S of rows (N, D): (N,), 0 or above. A row's bits do not depend on the others."""
        total = np.log(self.n + 1) * (rows[:, ~self.varies] != self.values[~self.varies]).sum(1)
        for ordinary, way in zip(self.ordinary, self.ways(rows), strict=True):
            total = total + _surprisal(ordinary, way)
        return total

    def ways(self, rows: Array) -> list[Array]:
        """-log p by the flows, -log p by the mixture, and the logarithm of the distance, of rows (N, D)."""
        z = torch.from_numpy((rows[:, self.varies] - self.mean) / self.scale)
        ordered = zip(self.flows, self.orders, strict=True)
        flows = [in_tiles(flow, z[:, order].float()) for flow, order in ordered]
        mixture = in_tiles(self.mixture.log_prob, z)
        distance = self._distance(z)
        return [way.numpy() for way in (-torch.stack(flows).double().mean(0), -mixture, distance)]

    def _distance(self, z: Tensor) -> Tensor:
        """log of the distance to the k-th nearest of the rows that are kept, one copy of itself left out."""
        k = self.neighbour

        def distance(part: Tensor) -> Tensor:
            nearest = torch.cdist(part, self.near).topk(k + 1, largest=False).indices
            exact = (part[:, None] - self.near[nearest]).square().sum(2).sqrt().sort(1).values
            return torch.where(exact[:, 0] == 0, exact[:, k], exact[:, k - 1])

        return torch.log(in_tiles(distance, z, 256) + 1e-6)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["near"], state["orders"] = self.near.numpy(), [order.numpy() for order in self.orders]
        state["mixture"] = {name: tensor.numpy() for name, tensor in self.mixture.tensors().items()}
        state["flows"] = [
            (
                flow.recipe.name,
                dict(flow.recipe.arguments),
                {k: t.numpy() for k, t in flow.state_dict().items()},
            )
            for flow in self.flows
            if flow.recipe is not None
        ]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.near = torch.from_numpy(np.array(state["near"]))
        self.orders = [torch.from_numpy(np.array(order)) for order in state["orders"]]
        self.mixture = Mixture.from_tensors(_tensors(state["mixture"]), self.near.shape[1])
        self.flows = [
            load_module(partial(build, name, arguments), _tensors(weights)).eval()
            for name, arguments, weights in state["flows"]
        ]


def _flow(z: Tensor, learn: Tensor, judge: Tensor, settings: Settings) -> Flow:
    flow = nice(z.shape[1], couplings=10, hidden=(64, 64), base="normal", seed=settings.seed)
    for _ in train(flow, Rows(z[learn], noise=_NOISE), Rows(z[judge], noise=_NOISE), settings):
        pass
    return flow.eval()


def _surprisal(ordinary: Array, value: Array) -> Array:
    """-log p: linear between the ordinary values, and growing with the logarithm beyond the greatest."""
    n, greatest = len(ordinary), ordinary[-1]
    shares = np.log1p(n) - np.log(n - np.arange(n))
    spread = ordinary[int(0.9 * n)] - ordinary[n // 2]
    beyond = np.maximum(value - greatest, 0) / max(spread, 1e-12)
    return np.interp(value, ordinary, shares) + _TAIL * np.log1p(beyond)


def _tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
