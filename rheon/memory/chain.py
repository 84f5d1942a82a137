"""A flow as one chain of layers, factor-outs among them, for whoever goes through it in a way of his own."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rheon.bijections.base import Bijection
from rheon.bijections.composition import Composition
from rheon.bijections.factor_out import FactorOut
from rheon.errors import RheonError
from rheon.fused import Fused


def chain(f: Bijection) -> list[Bijection]:
    """f's layers in the order in which data pass; those after a :class:`FactorOut` get x_A, which goes on."""
    if isinstance(f, Fused):
        return chain(f.composition)
    if isinstance(f, FactorOut):
        return [f, *chain(f.bijection)]
    if not isinstance(f, Composition):
        return [f]
    *others, last = (chain(part) for part in f.bijections)  # type: ignore[arg-type]
    layers = [layer for part in others for layer in part]
    if any(isinstance(layer, FactorOut) for layer in layers):
        raise RheonError("nothing can follow a FactorOut in a Composition: put it inside the FactorOut.")
    return [*layers, *last]


def through(
    layers: Sequence[Bijection], x: Tensor, apply: Callable[[int, Tensor], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """z and log|det| of a chain, the i-th layer by ``apply(i, x)``."""
    done: list[Tensor] = []
    log_dets: list[Tensor | None] = [None]  # of each level, summed as a nest of compositions sums them
    for i, layer in enumerate(layers):
        if isinstance(layer, FactorOut):
            x, x_b = layer.partition.split(x)
            done.append(x_b)
            log_dets.append(None)
        else:
            x, log_det = apply(i, x)
            log_dets[-1] = log_det if log_dets[-1] is None else log_dets[-1] + log_det
    if done:
        x = torch.cat([part.flatten(1) for part in (x, *reversed(done))], 1)
    *outer, total = (log_det for log_det in log_dets if log_det is not None)
    for log_det in reversed(outer):
        total = log_det + total
    return x, total


def by_hand() -> bool:
    """Whether there is a graph to be kept, and we are the ones to decide what of it."""
    return (
        torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )
