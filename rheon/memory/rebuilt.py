"""f, of which x and z are kept: what lies between is rebuilt by the inverses."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rheon.bijections.base import Bijection
from rheon.bijections.factor_out import FactorOut
from rheon.fused import Fused, is_given_back
from rheon.memory.chain import by_hand, chain, through
from rheon.memory.checkpointed import Checkpointed
from rheon.memory.replay import drawing, moving, random_state, unmoved
from rheon.memory.step import Step, derivatives


class Rebuilt(Bijection):
    """f, of which x and z are kept for the backward pass; it rebuilds what lies between by the inverses.

    Derivatives are f's to the rounding of the inverses. If at its end the backward pass does not arrive at
    the x that it has kept, since layers are ill-conditioned or have a wrong inverse, it says so and takes
    the derivatives by :class:`Checkpointed` instead.

    More is kept of two kinds of layer: the input of a :class:`~rheon.bijections.BatchNorm` in training mode,
    whose inverse is not its forward's, and x_B of a coupling whose map has no closed inverse. Second
    derivatives are refused.

    Args:
        bijection: f.

    Raises:
        RheonError: from the backward pass, f has other weights than in its forward pass.

    >>> import torch
    >>> from rheon.bijections import ActNorm, Composition
    >>> from rheon.memory import Rebuilt
    >>> f = Composition([ActNorm(2), ActNorm(2)]).eval()
    >>> Rebuilt(f)(torch.ones(1, 2))[1].sum().backward()
    >>> f.bijections[0].log_scale.grad
    tensor([1., 1.])
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        f = self.bijection
        if not by_hand():
            return f.forward(x, context)
        if isinstance(f, Fused) and f.fits(x, context):
            return f.forward_to_rebuild(x)
        steps = [Step(layer) for layer in chain(f)]
        weights = {id(weight): weight for step in steps for weight in step.weights}
        z, log_det = _Node.apply(f, steps, x, context, *weights.values())
        return z, log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(z, context)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        return self.bijection.latent_shapes(event_shape)


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, f: Bijection, steps: list[Step], x: Tensor, context: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        random = ctx.random = random_state(x)

        def there(i: int, x: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal random
            x, log_det, random = steps[i].there(x, context, random)
            ctx.last = x.shape
            return x, log_det

        ctx.f, ctx.steps, ctx.precision = f, steps, _precision(x)
        with torch.autocast(**ctx.precision):
            z, log_det = through([step.layer for step in steps], x, there)
        ctx.save_for_backward(x, z, context, *weights)
        return z, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_z: Tensor, by_log_det: Tensor) -> tuple[Tensor | None, ...]:
        x, z, context, *weights = ctx.saved_tensors
        if context is not None:
            context = context.detach().requires_grad_(ctx.needs_input_grad[3])
        with torch.autocast(**ctx.precision):
            back, by_x, rest = _back(ctx.steps, ctx.last, z, context, by_z, by_log_det)
            if not is_given_back(back, x):
                by_x, rest = _over_again(ctx, x, context, weights, (by_z, by_log_det))
        by_context = rest.get(id(context)) if ctx.needs_input_grad[3] else None
        return None, None, by_x, by_context, *(rest.get(id(weight)) for weight in weights)


def _back(
    steps: list[Step],
    last: torch.Size,
    z: Tensor,
    context: Tensor | None,
    by_z: Tensor,
    by_log_det: Tensor,
) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
    """x, the derivative by x, and those by context and weights, by their ids."""
    found: dict[int, Tensor] = {}
    done: list[tuple[Tensor, Tensor]] = []  # z_b and the derivative by it, of the outermost factor-out first
    splits = [step.layer for step in steps if isinstance(step.layer, FactorOut)]
    if splits:
        sizes = [prod(last[1:]), *(prod(split.shape_b) for split in reversed(splits))]
        (z, by_z), *parts = zip(z.split(sizes, 1), by_z.split(sizes, 1), strict=True)
        z, by_z = z.view(last), by_z.reshape(last)
        done = parts[::-1]
    for step in reversed(steps):
        if isinstance(step.layer, FactorOut):
            z_b, by_z_b = (part.unflatten(1, step.layer.shape_b) for part in done.pop())
            z, by_z = step.layer.partition.merge(z, z_b), step.layer.partition.merge(by_z, by_z_b)
            continue
        z, by_z, rest = step.back(z, context, by_z, by_log_det)
        for tensor, by_tensor in rest:
            if by_tensor is not None:
                known = found.get(id(tensor))
                found[id(tensor)] = by_tensor if known is None else known + by_tensor
    return z, by_z, found


def _over_again(
    ctx: Any, x: Tensor, context: Tensor | None, weights: list[Tensor], grads: Sequence[Tensor]
) -> tuple[Any, dict[int, Tensor]]:
    """The derivatives by x, context and weights from x and a second pass, whose inputs are kept."""
    x = x.detach().requires_grad_()
    tensors = [x, *([] if context is None or not context.requires_grad else [context]), *weights]
    with torch.enable_grad(), drawing(ctx.random, x), unmoved(moving(ctx.f.modules())):
        outputs = Checkpointed(ctx.f)(x, context)
        by_x, *rest = derivatives(outputs, tensors, grads)
    found = zip(tensors[1:], rest, strict=True)
    return by_x, {id(tensor): by_tensor for tensor, by_tensor in found if by_tensor is not None}


def _precision(x: Tensor) -> dict[str, Any]:
    """Autocast as it is. Without its cache: each weight serves once, and its copy would be kept."""
    kind = x.device.type
    return {
        "device_type": kind,
        "dtype": torch.get_autocast_dtype(kind),
        "enabled": torch.is_autocast_enabled(kind),
        "cache_enabled": False,
    }
