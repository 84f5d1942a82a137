"""f: x → z: the contract of all bijections."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rheon.errors import RheonError


class Bijection(nn.Module, ABC):
    """f: x → z. Each direction returns its value and log|det| of its own Jacobian, shape (B,), in nats.

    Reference: Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan, *Normalizing Flows for
    Probabilistic Modeling and Inference*, 2021, arXiv:1912.02762, section 2.1.

    A bijection of one's own is two methods:

    >>> import torch
    >>> from rheon.bijections import Bijection
    >>> class Reflection(Bijection):
    ...     def forward(self, x, context=None):
    ...         return -x, x.new_zeros(len(x))
    ...
    ...     def inverse(self, z, context=None):
    ...         return -z, z.new_zeros(len(z))
    >>> Reflection()(torch.tensor([[1.0, -2.0]]))
    (tensor([[-1.,  2.]]), tensor([0.]))
    """

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, …) → z, log|det ∂z/∂x|."""

    @abstractmethod
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z → x, log|det ∂x/∂z|."""

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        """Shapes of the latents Z_1, Z_2, … for x of shape ``event_shape``.

        One shape: z has it. Several, from layers that factor out: z is flat, the last latent first. A shape
        that the bijection cannot take raises a :class:`~rheon.RheonError`.
        """
        return (torch.Size(event_shape),)


def check_channels(bijection: Bijection, event_shape: Sequence[int], channels: int, *ranks: int) -> None:
    """Refuses events of another number of channels, or of another rank: they would broadcast."""
    if len(event_shape) not in ranks or event_shape[0] != channels:
        forms = " or ".join("(D,)" if rank == 1 else "(C, H, W)" for rank in ranks)
        raise RheonError(
            f"{type(bijection).__name__} was built for {channels} features or channels of events {forms}, "
            f"got events of shape {tuple(event_shape)}."
        )


def check_event(bijection: Bijection, event_shape: Sequence[int], expected: Sequence[int]) -> None:
    """Refuses events of another shape than the bijection was built for."""
    if tuple(event_shape) != tuple(expected):
        raise RheonError(
            f"{type(bijection).__name__} was built for events of shape {tuple(expected)}, "
            f"got {tuple(event_shape)}."
        )


def sum_event(x: Tensor) -> Tensor:
    """Σ over everything but the batch, (B, …) → (B,), without the copy that flattening may cost."""
    return x.sum(tuple(range(1, x.dim())))
