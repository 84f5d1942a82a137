"""z = exp(s) ⊙ x + b, one pair a channel, started from the data."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection, check_channels
from rheon.errors import RheonError


class ActNorm(Bijection):
    """z = exp(s) ⊙ x + b, with s and b of each feature or channel: log|det| = H W Σ s.

    The first batch that comes in training mode sets s and b so that z has mean 0 and variance 1 in every
    channel (a channel that does not vary is only shifted); that happens once, is saved with the weights, and
    from then on s and b are ordinary parameters. What it computes never depends on the batch.

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039, section 3.1.

    Args:
        channels: D for events (D,), C for events (C, H, W).

    Raises:
        RheonError: the first batch has a value that is not finite; from ``latent_shapes``, an event of
            another number of channels.

    The first batch here has mean 2 and standard deviation 2, so log|det| = -log 2.

    >>> import torch
    >>> from rheon.bijections import ActNorm
    >>> z, log_det = ActNorm(1)(torch.tensor([[0.0], [4.0]]))
    >>> z.flatten().tolist(), log_det.detach()
    ([-1.0, 1.0], tensor([-0.6931, -0.6931]))
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))
        # The buffer is what is saved; the plain bool spares every forward pass a look at the device.
        self.ready = False
        self.register_load_state_dict_post_hook(ActNorm._after_load)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training and not self.ready and len(x):
            self._initialise(x.detach())
        scale, bias = self._per_channel(x)
        return x * scale.exp() + bias, self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        scale, bias = self._per_channel(z)
        return (z - bias) * (-scale).exp(), -self._log_det(z)

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        channels = x.movedim(1, 0).flatten(1)
        std, mean = torch.std_mean(channels, 1, correction=0)
        if not bool(torch.isfinite(std).all()):
            raise RheonError("ActNorm met a non-finite value in the batch that sets its scale.")
        varies = std > 1e-6 * mean.abs()
        self.log_scale.copy_(torch.where(varies, -std.clamp_min(torch.finfo(std.dtype).tiny).log(), 0.0))
        self.bias.copy_(-mean * self.log_scale.exp())
        self.initialised.fill_(True)
        self.ready = True

    def _after_load(self, incompatible_keys: object) -> None:
        self.ready = bool(self.initialised)

    def _per_channel(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (x.dim() - 2)
        return self.log_scale.view(shape), self.bias.view(shape)

    def _log_det(self, x: Tensor) -> Tensor:
        return (self.log_scale.sum() * prod(x.shape[2:])).expand(len(x))

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_channels(self, event_shape, len(self.bias), 1, 3)
        return super().latent_shapes(event_shape)

    def extra_repr(self) -> str:
        return str(len(self.bias))
