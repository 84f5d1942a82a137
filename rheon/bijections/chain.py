"""p(x) = p(x_0) p(x_1 | x_0) p(x_2 | x_0, x_1) …: couplings by the chain rule, over groups of channels."""

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection, check_event, sum_event
from rheon.elementwise.base import Elementwise
from rheon.errors import RheonError

_FEW = 1 << 20
"""Parameters of all groups that are put together for one call of the map: so few are sooner copied."""


class Chain(Bijection):
    """f(x) = [g(x_0), f̂(x_1 | ψ_1(x_0)), f̂(x_2 | ψ_2(x_0, x_1)), …], x_i the i-th group of channels.

    It is a stack of couplings, of which each changes the last group of channels that no other has changed,
    given those before it, and a :class:`FactorOut` of x_0, in one:

        log|det| = log|det ∂g/∂x_0| + Σ_i Σ log ∂f̂/∂x_i.

    All networks see x itself, none the output of another coupling; so forward they do not wait for each
    other, and no gradient has to pass from one through the next. The inverse goes group by group.

    Args:
        event_shape: (C, H, W), shape of x.
        groups: channels of x_0 (0: there is none, and no g), x_1, …; their sum is C.
        elementwise: f̂, with P parameters per scalar.
        conditioners: ψ_i, modules (channels before group i, context) → (B, P · C_i, H, W).
        bijection: g, of what goes on; with it z is flat, as that of a :class:`FactorOut`.

    Raises:
        RheonError: the groups do not fit the event or the conditioners, or one of x_0 and g is there without
            the other; when called, ψ has another shape; from ``latent_shapes``, an event of another shape.

    >>> import torch
    >>> from rheon.bijections import Chain
    >>> from rheon.conditioners import PositionalConvNet
    >>> from rheon.elementwise import Affine
    >>> nets = [PositionalConvNet(0, 2, (4, 4)), PositionalConvNet(1, 4, (4, 4))]
    >>> z, log_det = Chain((3, 4, 4), (0, 1, 2), Affine(), nets)(torch.zeros(5, 3, 4, 4))
    >>> z.shape, log_det.shape
    (torch.Size([5, 3, 4, 4]), torch.Size([5]))
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        groups: Sequence[int],
        elementwise: Elementwise,
        conditioners: Sequence[nn.Module],
        bijection: Bijection | None = None,
    ) -> None:
        super().__init__()
        self.event_shape, self.groups = torch.Size(event_shape), tuple(groups)
        if len(event_shape) != 3 or sum(groups) != event_shape[0] or len(groups) != len(conditioners) + 1:
            raise RheonError(
                f"Chain: {len(conditioners)} conditioners and events {tuple(event_shape)} need as many "
                f"groups and one before them, which make up all channels; got {self.groups}."
            )
        if (self.groups[0] > 0) != (bijection is not None):
            raise RheonError("Chain: give x_0 channels and a bijection, or neither.")
        self.elementwise = elementwise
        self.conditioners = nn.ModuleList(conditioners)
        self.bijection = bijection
        self.starts = tuple(accumulate(self.groups))[:-1]
        first, channels, sides = self.groups[0], self.event_shape[0], self.event_shape[1:]
        self.shapes = (torch.Size((first, *sides)), torch.Size((channels - first, *sides)))
        self.inner_shapes = () if bijection is None else bijection.latent_shapes(self.shapes[0])

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        first, rest = x.split((self.groups[0], x.shape[1] - self.groups[0]), 1)
        parts = rest.split(self.groups[1:], 1)
        psis = [
            self._psi(conditioner, x[:, :start], part, context)
            for conditioner, start, part in zip(self.conditioners, self.starts, parts, strict=True)
        ]
        if rest.numel() * self.elementwise.num_params <= _FEW:
            y, log_dy = self.elementwise(rest, _together(psis))
        else:
            pairs = zip(*(self.elementwise(*pair) for pair in zip(parts, psis, strict=True)), strict=True)
            y, log_dy = (torch.cat(each, 1) for each in pairs)
        log_det = sum_event(log_dy)
        if self.bijection is None:
            return y, log_det
        z, log_det_g = self.bijection(first, context)
        return torch.cat((z.flatten(1), y.flatten(1)), 1), log_det + log_det_g

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.bijection is None:
            x, y, log_det = z[:, :0], z, z.new_zeros(len(z))
        else:
            z_first, y = z.split([prod(shape) for shape in self.shapes], 1)
            if len(self.inner_shapes) == 1:
                z_first = z_first.unflatten(1, self.inner_shapes[0])
            x, log_det = self.bijection.inverse(z_first, context)
            y = y.unflatten(1, self.shapes[1])
        for part, conditioner in zip(y.split(self.groups[1:], 1), self.conditioners, strict=True):
            x_i, log_dx = self.elementwise.inverse(part, self._psi(conditioner, x, part, context))
            x = torch.cat((x, x_i), 1).contiguous(memory_format=torch.channels_last)
            log_det = log_det + sum_event(log_dx)
        return x, log_det

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.event_shape)
        return (self.shapes[1], *self.inner_shapes)

    def _psi(self, conditioner: nn.Module, before: Tensor, x: Tensor, context: Tensor | None) -> Tensor:
        psi: Tensor = conditioner(before, context)
        expected = self.elementwise.num_params * x.shape[1]
        if psi.shape[1:] != (expected, *x.shape[2:]):
            raise RheonError(
                f"conditioner must give {self.elementwise.num_params} parameters for each scalar, shape "
                f"{(len(x), expected, *x.shape[2:])}, got {tuple(psi.shape)}."
            )
        # In the flow's own precision, whatever the network computes in.
        return psi.to(x.dtype).view(len(x), self.elementwise.num_params, *x.shape[1:])

    def extra_repr(self) -> str:
        return f"{tuple(self.event_shape)}, {self.groups}"


def _together(psis: Sequence[Tensor]) -> Tensor:
    """ψ of all groups, (B, P, C, H, W), with the parameter axis first in memory."""
    return torch.cat([psi.movedim(0, 2) for psi in psis], 1).movedim(2, 0)
