"""z = exp(s) ⊙ x: a learned scale for every scalar."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection, check_event


class Scaling(Bijection):
    """z = exp(s) ⊙ x, s of the event's shape: log|det| = Σ s. NICE's last layer.

    A volume-preserving stack needs it: it alone decides how much each latent varies.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516, section 3.3.

    Args:
        event_shape: shape of one x, or D for events (D,). s starts at 0.

    Raises:
        RheonError: from ``latent_shapes``, an event of another shape.

    >>> import torch
    >>> from rheon.bijections import Scaling
    >>> f = Scaling(2).requires_grad_(False)
    >>> f.log_scale[0] = torch.tensor(3.0).log()
    >>> f(torch.tensor([[1.0, 1.0]]))
    (tensor([[3., 1.]]), tensor([1.0986]))
    """

    def __init__(self, event_shape: Sequence[int] | int) -> None:
        super().__init__()
        shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.log_scale.shape)
        return super().latent_shapes(event_shape)

    def extra_repr(self) -> str:
        return str(tuple(self.log_scale.shape))
