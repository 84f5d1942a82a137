"""(x_A, x_B) → (g(x_A), x_B): the multi-scale step. x_B is done and becomes a latent, x_A goes on."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from rheon.bijections.base import Bijection, check_event
from rheon.partitions import Partition


class FactorOut(Bijection):
    """(x_A, x_B) → z = [g(x_A), x_B], flat: log|det| = log|det ∂g/∂x_A|.

    Nested, it is the multi-scale architecture: each level hands half of its scalars to the base as they are
    (Z_1: fine detail, Z_2: coarser, …) and lets the rest go on.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.6.

    Args:
        partition: x ↔ (x_A, x_B).
        bijection: g.
        event_shape: shape of x, from which the shapes of all latents follow.

    Raises:
        RheonError: the partition or g refuses the shape it would get; from ``latent_shapes``, another event.

    >>> import torch
    >>> from rheon.bijections import FactorOut, Squeeze
    >>> from rheon.partitions import Channels
    >>> f = FactorOut(Channels(), Squeeze(), event_shape=(4, 8, 8))
    >>> f.latent_shapes((4, 8, 8)), f(torch.zeros(1, 4, 8, 8))[0].shape
    ((torch.Size([2, 8, 8]), torch.Size([8, 4, 4])), torch.Size([1, 256]))
    """

    def __init__(self, partition: Partition, bijection: Bijection, event_shape: Sequence[int]) -> None:
        super().__init__()
        self.partition = partition
        self.bijection = bijection
        self.event_shape = torch.Size(event_shape)
        shape_a, self.shape_b = partition.shapes(self.event_shape)
        self.inner_shapes = bijection.latent_shapes(shape_a)
        self.sizes = (prod(shape_a), prod(self.shape_b))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x_a, x_b = self.partition.split(x)
        z_a, log_det = self.bijection(x_a, context)
        return torch.cat((z_a.flatten(1), x_b.flatten(1)), 1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z_a, z_b = z.split(self.sizes, 1)
        if len(self.inner_shapes) == 1:
            z_a = z_a.unflatten(1, self.inner_shapes[0])
        x_a, log_det = self.bijection.inverse(z_a, context)
        return self.partition.merge(x_a, z_b.unflatten(1, self.shape_b)), log_det

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.event_shape)
        return (self.shape_b, *self.inner_shapes)
