"""One step of maximum likelihood: θ ← θ - Adam(∇_θ mean_b -log p_θ(x_b)), clipped, or left out."""

import math

import torch
from torch import Tensor, nn

from rheon.training.settings import Settings
from rheon.training.weights import Weights


_NEWEST = 0.02


class Descent(torch.optim.AdamW):
    """Fused AdamW on -log p that clips, and leaves a step out where loss or gradient is not finite.

    ``grad_scale`` and ``found_inf`` are what torch's ``GradScaler`` hands to a fused optimiser: the gradient
    is divided by the first, and where the second is 1 nothing changes, neither weights nor moments nor the
    count of steps. So clipping needs no pass over the gradient, and leaving out does not wait for the device.

    Reference: Loshchilov, Hutter, *Decoupled weight decay regularization*, 2019, arXiv:1711.05101.

    Attributes:
        skipped: number of steps left out, a tensor on the device.
    """

    grad_scale: Tensor
    found_inf: Tensor

    def __init__(self, weights: Weights, settings: Settings, dims: int) -> None:
        super().__init__(
            [weights.vector],
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.skipped = torch.zeros((), device=weights.vector.device)
        self.usual_norm = weights.vector.new_full((), math.inf)
        self._weights = weights
        self._clip = settings.clip or math.inf

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
        clipped = torch.minimum(norm, self._clip * self.usual_norm)
        usual = torch.where(self.usual_norm.isinf(), clipped, self.usual_norm.lerp(clipped, _NEWEST))
        self.usual_norm = torch.where(finite, usual, self.usual_norm)
        self.grad_scale = (norm / clipped).nan_to_num_(1.0).float()
        self.found_inf = (~finite).float()
        self.skipped = self.skipped + self.found_inf
        self.param_groups[0]["lr"] = rate
        self.step()
        return loss, norm
