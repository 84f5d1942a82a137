"""What is examined in place of the given flow: copies of it, rows, conditions and latents."""

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

from rheon.bijections.base import Bijection
from rheon.distributions import StandardNormal
from rheon.errors import RheonError
from rheon.flow import Flow


@dataclass(frozen=True)
class Subject:
    """A flow in evaluation mode, in float64 on the CPU, with R rows to try it on.

    flow     the float64 copy
    own      the same weights in the flow's own dtype, on its own device
    x        (R, \\*event), float64
    context  (R, M) or None
    z        (R, \\*latent), draws of the base
    stirred  parameter tensors that were at rest and received noise
    seed     of everything that is random
    """

    flow: Flow
    own: Flow
    x: Tensor
    context: Tensor | None
    z: Tensor
    stirred: int
    seed: int

    @property
    def dims(self) -> int:
        return prod(self.flow.event_shape)

    def generator(self) -> torch.Generator:
        """A fresh generator, the same one for every check."""
        return torch.Generator().manual_seed(self.seed)

    def rows(self, n: int) -> tuple[Tensor, Tensor | None]:
        """The first n rows (or as many as there are), with their conditions."""
        return self.x[:n], None if self.context is None else self.context[:n]


def subject_of(flow: Flow | Bijection, x: Tensor | None, context: Tensor | None, seed: int) -> Subject:
    """Copies the flow and draws what it is tried on; see :func:`~rheon.check_flow` for the arguments."""
    generator = torch.Generator().manual_seed(seed)
    own = copy.deepcopy(flow if isinstance(flow, Flow) else wrapped(flow, x, context)).eval()
    stirred = _stir(own, generator)
    double = copy.deepcopy(own).to("cpu", torch.float64)
    dims = prod(double.event_shape)
    n = min(256, max(16, 2**13 // dims))
    if x is not None:
        _check_rows(x, double.event_shape)
        context = _conditions(double, context, len(x), generator)
        kept = torch.randperm(len(x), generator=generator)[:n]
        x, n = x.detach()[kept.to(x.device)].to("cpu", torch.float64), len(kept)
        context = None if context is None else context[kept]
    else:
        context = _conditions(double, context, n, generator)
        x = double.sample(n, context, generator=generator)
    z = double.base.sample(n, context, generator=generator)
    return Subject(double, own, x, context, z, stirred, seed)


def wrapped(bijection: Bijection, x: Tensor | None, context: Tensor | None) -> Flow:
    """A bare bijection over a standard normal; its event shape is that of x, or its own ``event_shape``."""
    if not isinstance(bijection, Bijection):
        raise RheonError(f"check_flow takes a Flow or a Bijection, got {type(bijection).__name__}.")
    shape: Sequence[int] | None = getattr(bijection, "event_shape", None) if x is None else x.shape[1:]
    if shape is None:
        raise RheonError(
            f"{type(bijection).__name__} has no event_shape: give x, some rows that it can be tried on, "
            "or wrap it: Flow(bijection, StandardNormal(shape))."
        )
    latents = bijection.latent_shapes(shape)
    base = StandardNormal(latents[0] if len(latents) == 1 else prod(shape))
    for value in (*bijection.parameters(), *bijection.buffers(), *(() if x is None else (x,))):
        if value.is_floating_point():
            base = base.to(value.device, value.dtype)
            break
    return Flow(bijection, base, shape, 0 if context is None else context.shape[-1])


@contextmanager
def global_rng_kept() -> Iterator[None]:
    """The global random states of torch, numpy and Python are afterwards what they were before."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])


@torch.no_grad()
def _stir(flow: Flow, generator: torch.Generator) -> int:
    """Gives noise to every parameter at rest, and says to how many.

    A head or a log-scale at its start makes a layer the identity, and an error in an identity's log-det
    shows nowhere: log 1 = -log 1 = 0. At rest are tensors that are all 0 or all 1, and the zeros of a vector,
    in which the weights of a whole network may lie. Zeros of a matrix are left alone: they may be a mask.
    """
    stirred = 0
    for weight in flow.parameters():
        zero, one = weight == 0, bool((weight == 1).all())
        if not bool(zero.all()) and weight.dim() > 1:
            zero = torch.zeros_like(zero)
        if not (weight.requires_grad and weight.numel() and (one or bool(zero.any()))):
            continue
        fan_in = weight[0].numel() if weight.dim() > 1 else (1 if one or bool(zero.all()) else 25)
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64) * (0.05 / sqrt(fan_in))
        noise = noise.to(weight.device, weight.dtype)
        weight.copy_(noise.exp() if one else torch.where(zero, noise, weight))
        stirred += 1
    return stirred


def _check_rows(x: Tensor, event_shape: torch.Size) -> None:
    if x.shape[1:] != event_shape or not len(x):
        raise RheonError(f"x must be rows of shape {tuple(event_shape)}, at least one, got {tuple(x.shape)}.")
    if not bool(torch.isfinite(x).all()):
        raise RheonError("x has values that are not finite: give rows that the flow is meant for.")


def _conditions(flow: Flow, context: Tensor | None, n: int, generator: torch.Generator) -> Tensor | None:
    """(n, M): the given conditions, in turn; standard normal ones where none are given."""
    features = flow.context_features
    if context is None:
        if not features:
            return None
        return torch.randn(n, features, generator=generator, dtype=torch.float64)
    context = context.detach().to("cpu", torch.float64)
    context = context[None] if context.dim() == 1 else context
    if context.dim() != 2 or context.shape[1] != features or not len(context):
        raise RheonError(f"context must have shape (N, {features}), got {tuple(context.shape)}.")
    if len(context) == n or len(context) == 1:
        return context.expand(n, -1)
    return context[torch.arange(n) % len(context)]
