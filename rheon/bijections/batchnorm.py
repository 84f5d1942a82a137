"""z = γ ⊙ (x - μ) / √(v + ε) + β with the batch's statistics in training, running ones otherwise."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection, check_channels


class BatchNorm(Bijection):
    """z = exp(g) ⊙ (x - μ) / √(v + ε) + β, per channel: log|det| = H W Σ (g - ½ log(v + ε)).

    In training mode forward takes μ and v of the batch and updates the running statistics; in evaluation
    mode, and always in ``inverse``, they are the running ones, so that the inverse is exact for the flow
    that is evaluated. In training mode a row's density depends on its batch: :class:`ActNorm` has no such
    fault and is the default of all architectures.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.7 and appendix E; Ioffe, Szegedy, *Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift*, 2015, arXiv:1502.03167.

    Args:
        channels: D for events (D,), C for events (C, H, W).
        momentum: weight of a new batch in the running statistics.
        eps: ε.

    Raises:
        RheonError: from ``latent_shapes``, an event of another number of channels.

    >>> import torch
    >>> from rheon.bijections import BatchNorm
    >>> f = BatchNorm(1)
    >>> f(torch.tensor([[0.0], [4.0]]))[0].detach().flatten(), f.running_mean
    (tensor([-1.0000,  1.0000]), tensor([0.2000]))
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-4) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.log_gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training:
            var, mean = torch.var_mean(x.movedim(1, 0).flatten(1), 1, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        log_scale = self._log_scale(var)
        shape = (-1,) + (1,) * (x.dim() - 2)
        z = (x - mean.view(shape)) * log_scale.exp().view(shape) + self.beta.view(shape)
        return z, self._log_det(log_scale, x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(self.running_var)
        shape = (-1,) + (1,) * (z.dim() - 2)
        x = (z - self.beta.view(shape)) * (-log_scale).exp().view(shape) + self.running_mean.view(shape)
        return x, -self._log_det(log_scale, z)

    def _log_scale(self, var: Tensor) -> Tensor:
        return self.log_gamma - 0.5 * (var + self.eps).log()

    def _log_det(self, log_scale: Tensor, x: Tensor) -> Tensor:
        return (log_scale.sum() * prod(x.shape[2:])).expand(len(x))

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_channels(self, event_shape, len(self.beta), 1, 3)
        return super().latent_shapes(event_shape)

    def extra_repr(self) -> str:
        return f"{len(self.beta)}, momentum={self.momentum}, eps={self.eps}"
