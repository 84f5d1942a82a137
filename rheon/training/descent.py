"""One step of maximum likelihood: θ ← θ - Adam(∇_θ mean_b -log p_θ(x_b)), clipped, or left out."""

import math

import torch
from torch import Tensor, nn

from rheon.training.settings import Settings
from rheon.training.weights import Weights

_WEIGHT_OF_NEWEST = 0.02


class Descent(torch.optim.AdamW):
    """Fused AdamW on -log p that clips, and leaves a step out where loss or gradient is not finite.

    A gradient g is shortened to ``settings.clip`` times the usual norm u, where

        u ← 0.98 u + 0.02 min(|g|, clip u),    beginning with the first |g| above 0

    so that a batch with an outlier cannot throw the weights far, and no scale has to be known beforehand.

    ``grad_scale`` and ``found_inf`` are what torch's ``GradScaler`` hands to a fused optimiser: the gradient
    is divided by the first, and where the second is 1 nothing changes, neither weights nor moments nor the
    count of steps. So clipping needs no pass over the gradient, and leaving out does not wait for the device.

    Reference: Loshchilov, Hutter, *Decoupled weight decay regularization*, 2019, arXiv:1711.05101.

    Attributes:
        skipped: number of steps left out, a tensor on the device.
        usual_norm: u, 0 before the first step.
    """

    grad_scale: Tensor
    found_inf: Tensor

    def __init__(self, weights: Weights, settings: Settings) -> None:
        super().__init__(
            [weights.vector],
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.skipped = torch.zeros((), device=weights.vector.device)
        self.usual_norm = torch.zeros_like(self.skipped, dtype=weights.vector.dtype)
        self._weights = weights
        self._clip = math.inf if settings.clip is None else settings.clip

    def descend(
        self, flow: nn.Module, x: Tensor, context: Tensor | None, rate: float
    ) -> tuple[Tensor, Tensor]:
        """One step at this learning rate. Returns the loss, and the norm of its gradient before clipping."""
        with torch.enable_grad():
            loss = -flow(x, context).mean()
            loss.backward()
        loss = loss.detach()
        norm = torch.linalg.vector_norm(self._weights.gather_gradient())
        finite = torch.isfinite(norm + loss)
        begun = self.usual_norm > 0
        clipped = torch.minimum(norm, torch.where(begun, self._clip * self.usual_norm, math.inf))
        usual = torch.where(begun, self.usual_norm.lerp(clipped, _WEIGHT_OF_NEWEST), clipped)
        self.usual_norm = torch.where(finite, usual, self.usual_norm)
        self.skipped = self.skipped + ~finite
        self.grad_scale = (norm / clipped).nan_to_num_(nan=1.0).float()  # 0/0: a gradient of zero
        self.found_inf = (~finite).float()
        self.param_groups[0]["lr"] = rate
        self.step()
        return loss, norm
