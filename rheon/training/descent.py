"""One step of maximum likelihood: θ ← θ - Adam(∇_θ mean_b -log p_θ(x_b)), clipped, or left out."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rheon.training.processes import Alone
from rheon.training.settings import Settings
from rheon.training.weights import Weights

_WEIGHT_OF_NEWEST = 0.02


class Slope(NamedTuple):
    """The loss of a batch, its gradient, the gradient's norm, and whether all are finite, a bool tensor."""

    loss: Tensor
    gradient: Tensor
    norm: Tensor
    finite: Tensor


class Descent:
    """Fused AdamW on -log p that clips, and leaves a step out where loss or gradient is not finite.

    A gradient g is shortened to ``settings.clip`` times the usual norm u, where

        u ← 0.98 u + 0.02 min(|g|, clip u),    beginning with the first |g| above 0

    so that a batch with an outlier cannot throw the weights far, and no scale has to be known beforehand.

    It is AdamW as a function, since the class loads torch's compiler, which takes seconds. The fused kernel
    divides the gradient by ``grad_scale``, and where ``found_inf`` is 1 changes nothing, neither weights nor
    moments nor the count: so clipping needs no pass over the gradient, and leaving out no waiting for a GPU.

    Args:
        weights: θ.
        settings: betas, weight decay, clip, accumulate.
        moved: the buffers that a forward pass moves (running statistics).
        ranks: the processes that train together.

    Reference: Loshchilov, Hutter, *Decoupled weight decay regularization*, 2019, arXiv:1711.05101.

    Attributes:
        mean, square: running moments of the gradient, like θ.
        count: number of steps taken, a tensor on the device.
        skipped: number of steps left out, a tensor on the device.
        in_row: number of steps left out since the last that was taken, likewise.
        usual_norm: u, 0 before the first step.
    """

    def __init__(
        self,
        weights: Weights,
        settings: Settings,
        moved: Sequence[Tensor] = (),
        ranks: Alone | None = None,
    ) -> None:
        self.mean = torch.zeros_like(weights.vector)
        self.square = torch.zeros_like(weights.vector)
        self.count = torch.zeros((), device=weights.vector.device)
        self.skipped = torch.zeros_like(self.count)
        self.in_row = torch.zeros_like(self.count)
        self.usual_norm = torch.zeros_like(self.count, dtype=weights.vector.dtype)
        self._weights = weights
        self._settings = settings
        self._moved = moved
        self._ranks = ranks or Alone()
        self._clip = math.inf if settings.clip is None else settings.clip

    def moving(self) -> list[Tensor]:
        """θ and all that steps move with it."""
        return [self._weights.vector, self.mean, self.square, self.count, self.usual_norm]

    def tensors(self) -> dict[str, Tensor]:
        """What it carries from step to step."""
        return {
            "mean": self.mean,
            "square": self.square,
            "count": self.count,
            "skipped": self.skipped,
            "in_row": self.in_row,
            "usual_norm": self.usual_norm,
        }

    def slope(self, flow: nn.Module, x: Tensor, context: Tensor | None) -> Slope:
        """The slope at the weights; where it is not finite, the buffers that moved are put back."""
        before = [buffer.clone() for buffer in self._moved]
        loss = self._backward(flow, x, context)
        gradient = self._weights.take_gradient()
        if self._ranks.count > 1:
            both = self._ranks.sum(torch.cat((gradient, loss.to(gradient.dtype).view(1))))
            gradient, loss = both[:-1], both[-1]
        norm = torch.linalg.vector_norm(gradient)
        finite = (norm + loss).abs() < math.inf
        for buffer, value in zip(self._moved, before, strict=True):
            buffer.copy_(torch.where(finite, buffer, value))
        return Slope(loss, gradient, norm, finite)

    def step(self, slope: Slope, rate: float) -> None:
        """Takes the step at this learning rate, or leaves it out."""
        _, gradient, norm, finite = slope
        begun = self.usual_norm > 0
        clipped = torch.minimum(norm, torch.where(begun, self._clip * self.usual_norm, math.inf))
        usual = torch.where(begun, self.usual_norm.lerp(clipped, _WEIGHT_OF_NEWEST), clipped)
        self.usual_norm.copy_(torch.where(finite, usual, self.usual_norm))
        bad = (~finite).float()
        self.skipped.add_(bad)
        self.in_row.add_(1).mul_(bad)
        scale = (norm / clipped).nan_to_num_(nan=1.0)  # 0/0: a gradient of zero
        if scale.dtype is torch.float64:  # the kernel would take it in single precision
            gradient, scale = gradient / scale, torch.ones_like(scale)
        self.count.add_(finite)
        torch._fused_adamw_(
            [self._weights.vector],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [self.count],
            grad_scale=scale.float(),
            found_inf=bad,
            amsgrad=False,
            beta1=self._settings.betas[0],
            beta2=self._settings.betas[1],
            lr=rate,
            weight_decay=self._settings.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def _backward(self, flow: nn.Module, x: Tensor, context: Tensor | None) -> Tensor:
        """Adds the gradient of this process's part of the loss to the parameters' own; returns that part."""
        part = self._ranks.part(x)
        if not len(part):  # fewer rows than processes
            return x.new_zeros(())
        pieces = min(self._settings.accumulate, len(part))
        contexts = [None] * pieces if context is None else self._ranks.part(context).tensor_split(pieces)
        losses = []
        with torch.enable_grad():
            for piece, of_piece in zip(part.tensor_split(pieces), contexts, strict=True):
                log_p = flow(piece, of_piece)
                log_p.backward(torch.full_like(log_p, -1 / len(x)))
                losses.append(log_p.detach().sum() / -len(x))
        return losses[0] if pieces == 1 else torch.stack(losses).sum()
