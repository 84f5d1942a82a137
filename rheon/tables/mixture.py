"""A Gaussian mixture as a density: its log p, its samples and its tensors, all in float64."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rheon.bijections.linear import features_first
from rheon.errors import ModelError


def products(z: Tensor) -> Tensor:
    """z_i z_j for i ≤ j, (N, D (D + 1) / 2)."""
    columns, (i, j) = z.t().contiguous(), torch.triu_indices(z.shape[1], z.shape[1])
    return (columns[i] * columns[j]).t()


@dataclass(frozen=True)
class Form:
    """log π_k N(z; μ_k, A_k⁻¹) of K components as polynomials, so that a matrix product gives all of them."""

    constants: Tensor
    linear: Tensor
    quadratic: Tensor

    @classmethod
    def of(cls, weights: Tensor, means: Tensor, precisions: Tensor, half_log_dets: Tensor) -> "Form":
        """From π (K,), μ (K, D), A (K, D, D), and log|A_k| / 2."""
        d = means.shape[1]
        i, j = torch.triu_indices(d, d)
        pulled = (precisions @ means.unsqueeze(2)).squeeze(2)
        constants = weights.log() + half_log_dets - (means * pulled).sum(1) / 2
        quadratic = precisions[:, i, j] * torch.where(i == j, -0.5, -1.0)
        return cls(constants - 0.5 * math.log(2 * math.pi) * d, pulled.t(), quadratic.t())

    def __call__(self, z: Tensor, products: Tensor) -> Tensor:
        """(N, K)."""
        log_p = torch.addmm(self.constants, features_first(products), self.quadratic)
        return log_p.addmm_(features_first(z), self.linear)


class Mixture:
    """p(z) = Σ_k π_k N(z; μ_k, (P_k P_kᵀ)⁻¹)

    Args:
        weights: π, (K,), positive, of sum 1.
        means: μ, (K, D).
        precisions: P, (K, D, D), of positive determinant.
    """

    def __init__(self, weights: Tensor, means: Tensor, precisions: Tensor) -> None:
        self.weights, self.means, self.precisions = weights, means, precisions
        half_log_dets = torch.linalg.slogdet(precisions)[1]
        self._form = Form.of(weights, means, precisions @ precisions.mT, half_log_dets)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p of z (N, D) float64: (N,)."""
        return self._form(z, products(z)).logsumexp(1)

    def sample(self, n: int, temperature: float, generator: torch.Generator) -> Tensor:
        """(n, D) float64; the noise of each component is scaled by ``temperature``."""
        which = (
            torch.empty(0) if not n else self.weights.multinomial(n, replacement=True, generator=generator)
        )
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        z = torch.empty_like(noise)
        for k in which.unique().tolist():
            mine = which == k
            spread = torch.linalg.solve(self.precisions[k].T, noise[mine].T).T
            z[mine] = self.means[k] + temperature * spread
        return z

    @classmethod
    def blend(cls, mixtures: Sequence["Mixture"], shares: Tensor) -> "Mixture":
        """Σ_i share_i p_i(z) / Σ_i share_i, as one mixture."""
        weights = torch.cat([share * m.weights for m, share in zip(mixtures, shares, strict=True)])
        kept = weights > 0
        means = torch.cat([m.means for m in mixtures])
        precisions = torch.cat([m.precisions for m in mixtures])
        return cls(weights[kept] / weights.sum(), means[kept], precisions[kept])

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
        sound = torch.isfinite(mixture._form.constants).all() & (weights > 0).all()
        if not bool(sound & ((weights.sum() - 1).abs() < 1e-6)):
            raise ModelError("the mixture beside the flow is no density.")
        return mixture
