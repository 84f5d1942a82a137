"""One layer there and back: z without a graph, then x and the derivatives from z."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rheon.bijections.base import Bijection, sum_event
from rheon.bijections.batchnorm import BatchNorm
from rheon.bijections.coupling import Coupling
from rheon.bijections.factor_out import FactorOut
from rheon.bijections.linear import LULinear
from rheon.errors import RheonError
from rheon.memory.replay import drawing, moving, random_state, unmoved


class Step:
    """A layer in one pass: its weights, and what the way back needs of the way there."""

    def __init__(self, layer: Bijection) -> None:
        self.layer = layer
        modules = () if isinstance(layer, FactorOut) else tuple(layer.modules())
        self.places = [(m._parameters, name, p) for m in modules for name, p in m._parameters.items()]
        self.weights = [p for _, _, p in self.places if p is not None and p.requires_grad]
        self.moved = moving(modules)
        self.random: list[Tensor] | None = None  # the generators' states before the layer drew from them
        self.kept: Any = None

    def there(
        self, x: Tensor, context: Tensor | None, random: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """z, log|det| without a graph that lasts, and the generators' states, which ``random`` are before."""
        layer = self.layer
        if isinstance(layer, BatchNorm) and layer.training:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                self.kept = x, layer.forward(x, context)
            return self.kept[1][0].detach(), self.kept[1][1].detach(), random
        if isinstance(layer, Coupling) and layer.elementwise.iterative:
            self.kept = layer.partition.split(x)[1].clone()  # not a view, which would keep all of x
        z, log_det = layer(x, context)
        after = random_state(x)
        if not all(map(torch.equal, random, after)):
            self.random = random
        return z, log_det, after

    def back(
        self, z: Tensor, context: Tensor | None, by_z: Tensor, by_log_det: Tensor
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor | None]]]:
        """x, the derivative by x, and those by context and weights, each beside its tensor."""
        if any(parameters.get(name) is not p for parameters, name, p in self.places):
            raise RheonError(
                "Rebuilt: a layer has other weights in the backward pass than it had in the forward pass; "
                "weights that stand in (torch.func.functional_call) must do so until both are done."
            )
        layer, grads = self.layer, (by_z, by_log_det)
        others = [*self.weights, *([] if context is None or not context.requires_grad else [context])]
        with torch.enable_grad(), unmoved(self.moved):
            if isinstance(layer, BatchNorm) and self.kept is not None:
                x, outputs = self.kept
                by_x, *rest = derivatives(outputs, [x, *others], grads, retain_graph=True)
            elif isinstance(layer, Coupling):
                x_a, y_b = layer.partition.split(z)
                by_y_a, by_y_b = layer.partition.split(by_z)
                x_a = x_a.detach().requires_grad_()
                with drawing(self.random, z):
                    psi = layer.psi(x_a, y_b, context)
                if self.kept is None and not list(layer.elementwise.parameters()):
                    by_log_dy = by_log_det.view(-1, *(1,) * (y_b.dim() - 1)).expand_as(y_b)
                    x_b, by_x_b, by_psi = layer.elementwise.back(y_b, psi.detach(), by_y_b, by_log_dy)
                    by_x_a, *rest = derivatives((psi,), [x_a, *others], (by_psi,))
                else:
                    with torch.no_grad():
                        x_b = layer.elementwise.inverse(y_b, psi)[0] if self.kept is None else self.kept
                    x_b = x_b.detach().requires_grad_()
                    y_b, log_dy = layer.elementwise(x_b, psi)
                    by_x_a, by_x_b, *rest = derivatives(
                        (y_b, sum_event(log_dy)), [x_a, x_b, *others], (by_y_b, by_log_det)
                    )
                x = layer.partition.merge(x_a.detach(), x_b.detach())
                by_x = layer.partition.merge(by_y_a if by_x_a is None else by_y_a + by_x_a, by_x_b)
            elif type(layer) is LULinear:
                x, by_x, by_weights = layer.back(z, by_z, by_log_det)
                return x, by_x, list(by_weights)
            else:
                with torch.no_grad(), drawing(self.random, z):
                    x = layer.inverse(z, context)[0].detach()
                with drawing(self.random, z):
                    outputs = layer.forward(x.requires_grad_(), context)
                by_x, *rest = derivatives(outputs, [x, *others], grads)
        return x.detach(), by_x, list(zip(others, rest, strict=True))


def derivatives(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grads: Sequence[Tensor | None],
    retain_graph: bool = False,
) -> tuple[Any, ...]:
    """The loss by each of the inputs, None where it does not depend on it."""
    pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if y.requires_grad and g is not None]
    if not pairs:
        return (None,) * len(inputs)
    outputs, given = zip(*pairs, strict=True)
    return torch.autograd.grad(outputs, inputs, given, retain_graph=retain_graph, allow_unused=True)
