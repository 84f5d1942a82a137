"""Fixed elementwise maps: preprocessing that is part of the model, with its log-determinant."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rheon.bijections.base import Bijection, check_event, sum_event
from rheon.errors import RheonError


class Standardise(Bijection):
    """z = (x - mean) / scale, per feature: log|det| = -Σ log scale. Event shape of ``mean``.

    Reference: Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan, *Normalizing Flows for
    Probabilistic Modeling and Inference*, 2021, arXiv:1912.02762, section 2.1 (the change of variables).

    Args:
        mean: of each feature, in its own units.
        scale: of each feature, positive, in its own units.

    Raises:
        RheonError: the two differ in shape, a value is not finite, or a scale is not positive; from
            ``latent_shapes``, an event of another shape.

    >>> import torch
    >>> from rheon.bijections import Standardise
    >>> Standardise(mean=torch.tensor([1.0]), scale=torch.tensor([2.0]))(torch.tensor([[7.0]]))
    (tensor([[3.]]), tensor([-0.6931]))
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        if mean.shape != scale.shape:
            raise RheonError(
                f"Standardise: mean {tuple(mean.shape)} and scale {tuple(scale.shape)} differ in shape."
            )
        if not bool((torch.isfinite(scale) & (scale > 0) & torch.isfinite(mean)).all()):
            raise RheonError("Standardise: every mean must be finite and every scale finite and positive.")
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (x - self.mean) / self.scale, -self.scale.log().sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * self.scale + self.mean, self.scale.log().sum().expand(len(z))

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.mean.shape)
        return super().latent_shapes(event_shape)

    def extra_repr(self) -> str:
        return str(tuple(self.mean.shape))


class Logit(Bijection):
    """z = logit(v), v = α + (1 - 2α) x / levels: [0, levels] → R, for dequantised intensities.

    The edge squeeze α keeps v off 0 and 1. With z at hand, log dv/dz = log sigmoid(z) + log sigmoid(-z), so

        log|det| = Σ log((1 - 2α) / levels) - log sigmoid(z) - log sigmoid(-z).

    ``inverse`` gives exactly x back, also beyond [0, levels], where α leaves a margin.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 4.1 (whose formula would reach v = 1; this is what its authors' program computes).

    Args:
        levels: number of intensity levels, so x = k + u for the integer k in 0 … levels - 1 and u in [0, 1).
        alpha: α, between 0 and ½.

    Raises:
        RheonError: ``levels`` is below 2, or ``alpha`` is not between 0 and ½.

    >>> import torch
    >>> from rheon.bijections import Logit
    >>> Logit(levels=256, alpha=0.05)(torch.tensor([[0.0]]))  # logit 0.05, log(0.9/256) - log(0.05 · 0.95)
    (tensor([[-2.9444]]), tensor([-2.6034]))
    """

    def __init__(self, levels: int = 256, alpha: float = 0.05) -> None:
        super().__init__()
        if not 0 < alpha < 0.5:
            raise RheonError(f"Logit: alpha must lie between 0 and 0.5, got {alpha}.")
        if levels < 2:
            raise RheonError(f"Logit: levels must be at least 2, got {levels}.")
        self.levels, self.alpha = levels, alpha
        self._slope = (1 - 2 * alpha) / levels

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = (self.alpha + self._slope * x).logit()
        return z, sum_event(math.log(self._slope) - logsigmoid(z) - logsigmoid(-z))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = (z.sigmoid() - self.alpha) / self._slope
        return x, -sum_event(math.log(self._slope) - logsigmoid(z) - logsigmoid(-z))

    def extra_repr(self) -> str:
        return f"levels={self.levels}, alpha={self.alpha}"
