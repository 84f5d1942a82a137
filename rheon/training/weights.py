"""θ as one vector.

A small flow keeps its weights in dozens of small tensors, and a step on each costs more in calls than in
arithmetic. While a flow is trained its parameters are therefore views of one vector: the norm of the
gradient, Adam and the running average are one operation each, whatever the number of layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from rheon.errors import RheonError


class Weights:
    """The trained parameters of a module as views of one vector, until they are released.

    Attributes:
        vector: θ, shape (P,).
        moving: all that training moves: θ, then the module's floating buffers, since running statistics
            belong to the weights they were made with.

    Raises:
        RheonError: the trained parameters are of several types or on several devices.
    """

    def __init__(self, module: nn.Module) -> None:
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        kinds = sorted({f"{p.dtype} on {p.device}" for p in trained.values()})
        if len(kinds) > 1:
            raise RheonError(
                f"the parameters to train must be of one type, on one device, not {' and '.join(kinds)}"
            )
        # Multiples of 16 first: so they start at aligned addresses, which fast matrix products want.
        self._names = sorted(trained, key=lambda name: trained[name].numel() % 16 != 0)
        self._parameters = [trained[name] for name in self._names]
        self._own = [p.data for p in self._parameters]
        self._axes = [_axes_by_stride(p) for p in self._own]
        self.vector = self._flat(self._own)
        for parameter, view in zip(self._parameters, self._views(self.vector), strict=True):
            parameter.data = view
        # An infinite constant (the edge of a table) does not move, and its average would be NaN.
        moving = {
            name: b for name, b in module.named_buffers() if b.is_floating_point() and b.isfinite().all()
        }
        self._buffer_names = list(moving)
        self.moving = [self.vector, *moving.values()]
        self._module = module

    def take_gradient(self) -> Tensor:
        """Takes the parameters' gradients from them, as one vector; zero where there is none."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        for parameter in self._parameters:
            parameter.grad = None
        return self._flat(gradients)

    @torch.no_grad()
    def copy_into(self, module: nn.Module, values: Sequence[Tensor]) -> None:
        """Copies values, in the order of ``moving``, into the module or a copy of it."""
        parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
        targets = [parameters[name] for name in self._names] + [buffers[name] for name in self._buffer_names]
        torch._foreach_copy_(targets, [*self._views(values[0]), *values[1:]])

    def release(self, values: Sequence[Tensor]) -> None:
        """Gives each parameter its own memory back, filled with these values."""
        for parameter, own in zip(self._parameters, self._own, strict=True):
            parameter.data = own
            parameter.grad = None
        self.copy_into(self._module, values)

    def _flat(self, tensors: Sequence[Tensor]) -> Tensor:
        return _flatten_dense_tensors(_permuted(tensors, self._axes))

    def _views(self, vector: Tensor) -> list[Tensor]:
        """The parts of a vector, each shaped and laid out in memory as its parameter."""
        parts = _unflatten_dense_tensors(vector, _permuted(self._own, self._axes))
        return _permuted(parts, [axes and _inverse(axes) for axes in self._axes])


Axes = list[int] | None


def _axes_by_stride(tensor: Tensor) -> Axes:
    """The order of axes in which the tensor is contiguous (channels last, say); None where it is already."""
    return None if tensor.is_contiguous() else sorted(range(tensor.dim()), key=tensor.stride, reverse=True)


def _permuted(tensors: Sequence[Tensor], axes_of: Sequence[Axes]) -> list[Tensor]:
    return [t if axes is None else t.permute(axes) for t, axes in zip(tensors, axes_of, strict=True)]


def _inverse(axes: list[int]) -> list[int]:
    return [axes.index(axis) for axis in range(len(axes))]
