"""Bijections that only move scalars about: log|det| = 0."""

import operator
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from rheon.bijections.base import Bijection, check_channels, check_event
from rheon.errors import RheonError
from rheon.partitions import blocks_to_phases, phases_to_blocks


class Squeeze(Bijection):
    """(C, H, W) → (4C, H/2, W/2): the four phases of every 2×2 block become channels. log|det| = 0.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.6 and figure 3.

    Args:
        order: ``"natural"``, channel 4c + 2 dy + dx; or ``"diagonal"``, the phases (0, 0), (1, 1), (0, 1),
            (1, 0) one after the other, each with all C channels: then the first half of the channels is the
            even half of a checkerboard (the paper's order before it factors out).

    Raises:
        RheonError: ``order`` is neither; from ``latent_shapes``, an event that is not (C, H, W), or has an
            odd H or W.

    >>> import torch
    >>> from rheon.bijections import Squeeze
    >>> x = torch.tensor([[[[1, 2], [3, 4]]]])
    >>> Squeeze()(x)[0].flatten().tolist(), Squeeze("diagonal")(x)[0].flatten().tolist()
    ([1, 2, 3, 4], [1, 4, 2, 3])
    """

    diagonal = (0, 3, 1, 2)
    """The phases 2 dy + dx in diagonal order."""

    def __init__(self, order: str = "natural") -> None:
        super().__init__()
        if order not in ("natural", "diagonal"):
            raise RheonError(f"Squeeze: order must be 'natural' or 'diagonal', got {order!r}.")
        self.order = order

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        phases = [phase.movedim(1, 3) for phase in blocks_to_phases(x)]
        if self.order == "diagonal":
            z = torch.cat([phases[k] for k in self.diagonal], 3)
        else:
            z = torch.stack(phases, 4).flatten(3)
        return z.movedim(3, 1), _zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.order == "diagonal":
            p00, p11, p01, p10 = z.chunk(4, 1)
        else:
            p00, p01, p10, p11 = z.unflatten(1, (z.shape[1] // 4, 4)).unbind(2)
        return phases_to_blocks(p00, p01, p10, p11), _zeros(z)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        if len(event_shape) != 3 or event_shape[1] % 2 or event_shape[2] % 2:
            raise RheonError(f"Squeeze needs events (C, H, W) with H and W even, got {tuple(event_shape)}.")
        channels, height, width = event_shape
        return (torch.Size((4 * channels, height // 2, width // 2)),)

    def extra_repr(self) -> str:
        return repr(self.order)


class Flatten(Bijection):
    """(C, H, W) → (C H W,), so that an architecture for vectors takes images. log|det| = 0.

    Args:
        event_shape: shape of one x, which the inverse gives back.

    Raises:
        RheonError: from ``latent_shapes``, an event of another shape.

    >>> import torch
    >>> from rheon.bijections import Flatten
    >>> Flatten((3, 8, 8))(torch.zeros(5, 3, 8, 8))[0].shape
    torch.Size([5, 192])
    """

    def __init__(self, event_shape: Sequence[int]) -> None:
        super().__init__()
        self.event_shape = torch.Size(event_shape)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flatten(1), _zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.unflatten(1, self.event_shape), _zeros(z)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.event_shape)
        return (torch.Size((prod(event_shape),)),)

    def extra_repr(self) -> str:
        return str(tuple(self.event_shape))


class Reshape(Bijection):
    """The same scalars, in the same order, in an event of another shape. log|det| = 0.

    Args:
        event_shape: shape of one x, which the inverse gives back.
        shape: shape of one z.

    Raises:
        RheonError: the shapes hold different numbers of scalars; from ``latent_shapes``, an event of another
            shape.

    >>> import torch
    >>> from rheon.bijections import Reshape
    >>> Reshape((3, 2, 2), (12, 1, 1))(torch.zeros(5, 3, 2, 2))[0].shape
    torch.Size([5, 12, 1, 1])
    """

    def __init__(self, event_shape: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.event_shape, self.shape = torch.Size(event_shape), torch.Size(shape)
        if prod(event_shape) != prod(shape):
            raise RheonError(
                f"Reshape: events of shape {tuple(event_shape)} cannot take the shape {tuple(shape)}."
            )

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.reshape(len(x), *self.shape), _zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.reshape(len(z), *self.event_shape), _zeros(z)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.event_shape)
        return (self.shape,)

    def extra_repr(self) -> str:
        return f"{tuple(self.event_shape)} → {tuple(self.shape)}"


class Permutation(Bijection):
    """z_i = x_{order[i]} along the first event axis (features or channels): log|det| = 0.

    Args:
        order: a permutation of 0 … D-1, or of 0 … C-1 for events (C, H, W).

    Raises:
        RheonError: ``order`` is no permutation; from ``latent_shapes``, an event of another number of
            features or channels.

    >>> import torch
    >>> from rheon.bijections import Permutation
    >>> Permutation([2, 0, 1])(torch.tensor([[10.0, 20.0, 30.0]]))
    (tensor([[30., 10., 20.]]), tensor([0.]))
    """

    order: Tensor
    inverse_order: Tensor

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        try:
            order = [operator.index(place) for place in order]
        except TypeError:
            raise RheonError(f"Permutation: order must be a permutation of 0 … D-1, got {order}.") from None
        if sorted(order) != list(range(len(order))) or not order:
            raise RheonError(f"Permutation: order must be a permutation of 0 … D-1, got {order}.")
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("inverse_order", self.order.argsort(), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.index_select(1, self.order), _zeros(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.index_select(1, self.inverse_order), _zeros(z)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_channels(self, event_shape, len(self.order), 1, 3)
        return super().latent_shapes(event_shape)


def _zeros(x: Tensor) -> Tensor:
    return x.new_zeros(len(x))
