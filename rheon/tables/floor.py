"""A Gaussian mixture beside a flow, so that no table is learned much worse than by a mixture.

    p(z) = w p_flow(z) + (1 - w) p_mixture(z),    p_mixture(z) = Σ_k π_k N(z; μ_k, (P_k P_kᵀ)⁻¹)

It is exact in density and in samples. w is fitted to rows that neither has learned from.
"""

import math
import warnings
from typing import Self

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from rheon.errors import ModelError

_COMPONENTS = (1, 2, 4, 8, 16, 32)
_RIDGES = (1e-3, 1e-2, 1e-1)
"""Added to each variance, where the variances of the whole are 1."""

_WORK = 2e7
"""Rows times D² that the mixture learns from, at most: it should take seconds."""

_CACHED = 1 << 17
"""Numbers that are computed with at a time, 1 MiB."""


class Mixture:
    """A Gaussian mixture in float64.

    Args:
        weights: π, (K,), positive, of sum 1.
        means: μ, (K, D).
        precisions: P, (K, D, D), of positive determinant: P_k P_kᵀ is the inverse covariance.
    """

    def __init__(self, weights: Tensor, means: Tensor, precisions: Tensor) -> None:
        self.weights, self.means, self.precisions = weights, means, precisions
        half_log_det = torch.linalg.slogdet(precisions)[1]
        self._maps = precisions.transpose(1, 2).contiguous()
        self._shifts = -(self._maps @ means.unsqueeze(2)).squeeze(2)
        self._constants = weights.log() + half_log_det - 0.5 * math.log(2 * math.pi) * means.shape[1]

    def log_prob(self, z: Tensor) -> Tensor:
        """log p of z (N, D) float64: (N,)."""
        columns = z.t().contiguous()
        parts = []
        # So many components at once that what is between stays in the processor's cache.
        size = max(_CACHED // max(z.numel(), 1), 1)
        some = (tensor.split(size) for tensor in (self._maps, self._shifts, self._constants))
        for maps, shifts, constants in zip(*some, strict=True):
            whitened = torch.addmm(shifts.view(-1, 1), maps.flatten(0, 1), columns)
            squares = whitened.square_().view(*shifts.shape, len(z)).sum(1)
            parts.append(constants.unsqueeze(1) - squares / 2)
        return torch.cat(parts).logsumexp(0)

    def sample(self, n: int, temperature: float, generator: torch.Generator) -> Tensor:
        """(n, D) float64; the noise of each component is scaled by ``temperature``."""
        which = (
            torch.empty(0) if not n else self.weights.multinomial(n, replacement=True, generator=generator)
        )
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        z = torch.empty_like(noise)
        for k in range(len(self.weights)):
            mine = which == k
            spread = torch.linalg.solve(self.precisions[k].T, noise[mine].T).T
            z[mine] = self.means[k] + temperature * spread
        return z

    def tensors(self) -> dict[str, Tensor]:
        """What ``from_tensors`` takes."""
        return {"weights": self.weights, "means": self.means, "precisions": self.precisions}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], features: int) -> Self:
        """What ``tensors`` gave.

        Raises:
            ModelError: they are no mixture of so many features.
        """
        try:
            weights, means, precisions = (tensors[name] for name in ("weights", "means", "precisions"))
        except KeyError as error:
            raise ModelError(f"the mixture beside the flow lacks {error}.") from None
        k, real = len(weights), all(t.dtype == torch.float64 for t in (weights, means, precisions))
        shapes = weights.shape == (k,) and means.shape == (k, features)
        if not k or not real or not shapes or precisions.shape != (k, features, features):
            raise ModelError("the tensors of the mixture beside the flow do not fit one another.")
        mixture = cls(weights, means, precisions)
        sound = torch.isfinite(mixture._constants).all() & (weights > 0).all()
        if not bool(sound & ((weights.sum() - 1).abs() < 1e-6)):
            raise ModelError("the mixture beside the flow is no density.")
        return mixture

    @classmethod
    def fit(
        cls,
        z: Tensor,
        folds: list[tuple[Tensor, Tensor]],
        seed: int,
        ridges: tuple[float, ...] = _RIDGES,
    ) -> tuple[Self, Tensor]:
        """Learns a mixture from z (N, D), whitened, for each fold (rows to learn from, rows left out).

        Their mean is the mixture. Components and ridge are those that do best on the first fold; with many
        rows only the first of the ridges is tried. Returns also log p of each row under the mixture that has
        not learned from it, where there is one, else NaN.
        """
        rows = z.double().numpy()
        most = int(min(max(_WORK / rows.shape[1] ** 2, 1000), 20_000))
        learn, judge = (part.numpy() for part in folds[0])
        best, chosen = -math.inf, (1, ridges[0])
        with threadpool_limits(1, "blas"):
            for ridge in ridges if len(learn) < 2000 else ridges[:1]:
                last = -math.inf
                for k in _COMPONENTS:
                    if k > 1 and k * (rows.shape[1] + 2) > len(learn):
                        break
                    value = _gmm(rows[learn[:most]], k, ridge, seed).score(rows[judge[:most]])
                    if value > best:
                        best, chosen = value, (k, ridge)
                    if value < last:
                        break
                    last = value
            found = [_gmm(rows[learn.numpy()[:most]], *chosen, seed) for learn, _ in folds]
            held_out = np.full(len(rows), np.nan)
            for mixture, (_, left_out) in zip(found, folds, strict=True):
                held_out[left_out.numpy()] = mixture.score_samples(rows[left_out.numpy()])
        parts = [
            np.concatenate([getattr(mixture, name) for mixture in found])
            for name in ("weights_", "means_", "precisions_cholesky_")
        ]
        weights, means, precisions = (torch.from_numpy(part) for part in parts)
        kept = weights > 0
        return cls(weights[kept] / weights.sum(), means[kept], precisions[kept]), torch.from_numpy(held_out)


def flow_weight(flow: Tensor, mixture: Tensor) -> float:
    """w of highest likelihood, from log p of rows under each of the two: the fixed point of EM."""
    # A flow that gives no number is worth nothing there.
    odds = (mixture - flow.nan_to_num(nan=-torch.inf)).clamp(-700, 700).exp()
    w = 0.9
    for _ in range(300):
        w = float((w / (w + (1 - w) * odds)).mean())
    return min(max(w, 1e-3), 1 - 1e-3)


def _gmm(rows: np.ndarray, components: int, ridge: float, seed: int):  # type: ignore[no-untyped-def]
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        components, reg_covar=ridge, init_params="k-means++", max_iter=60, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(rows)
