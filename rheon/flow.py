"""log p(x) = log p_Z(f(x)) + log|det ∂f/∂x|: a bijection and a base density make a density."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection
from rheon.distributions import Base
from rheon.errors import RheonError, whole


@dataclass(frozen=True)
class Recipe:
    """What builds the same flow again, without its weights: an architecture's name and its arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Flow(nn.Module):
    """The density log p(x) = log p_Z(f(x)) + log|det ∂f/∂x (x)|, in nats.

    Args:
        bijection: f, data → latent.
        base: p_Z, over events of the shape that f gives.
        event_shape: shape of one x; that of the base unless given.
        context_features: M, where the density is conditional, p(x | context) with context of shape (B, M).

    A new flow is in training mode, like any module: its ActNorms take their first values from the first
    batch that comes. ``flow.eval()`` before scoring makes a score a function of the row alone.

    Calling the flow is ``log_prob``, so that wrappers which call modules (``torch.compile``,
    data-parallel) work.

    >>> import rheon
    >>> flow = rheon.architectures.realnvp(2, couplings=4)
    >>> flow.log_prob(torch.zeros(3, 2)).shape
    torch.Size([3])
    """

    recipe: Recipe | None = None
    """Set by the functions in :mod:`rheon.architectures`; without it a flow cannot be saved by name."""

    def __init__(
        self,
        bijection: Bijection,
        base: Base,
        event_shape: Sequence[int] | None = None,
        context_features: int = 0,
    ) -> None:
        super().__init__()
        self.bijection = bijection
        self.base = base
        self.event_shape = torch.Size(base.event_shape if event_shape is None else event_shape)
        self.context_features = context_features
        declared = [getattr(module, "context_features", None) for module in bijection.modules()]
        read = {number for number in declared if isinstance(number, int)}
        if read and read - {0} != {context_features} - {0}:
            raise RheonError(
                f"the flow has context_features={context_features}, but its conditioners were built for "
                f"{' and '.join(map(str, sorted(read)))}: give all of them the same."
            )
        self.latent_shapes = bijection.latent_shapes(self.event_shape)
        z_shape = self.latent_shapes[0] if len(self.latent_shapes) == 1 else (prod(self.event_shape),)
        if tuple(z_shape) != tuple(base.event_shape):
            raise RheonError(
                f"base has events of shape {tuple(base.event_shape)}, the bijection gives latents of shape "
                f"{tuple(z_shape)} for x of shape {tuple(self.event_shape)}."
            )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x | context), (B,), in nats."""
        self._check("x", x, self.event_shape)
        self._check_context(context, len(x))
        z, log_det = self.bijection(x, context)
        return self.base.log_prob(z, context) + log_det

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x | context), (B,), in nats, of x (B, …) in the flow's dtype."""
        return self.forward(x, context)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of x, (n, …), by f⁻¹(z) with z from the base, scaled by ``temperature``.

        ``context`` is one for all draws, (M,), or one for each, (n, M). Without a generator the noise
        is fresh: the global random state is neither used nor changed.
        """
        context = self._spread(context, n)
        z = self.base.sample(n, context, temperature, generator)
        return self.bijection.inverse(z, context)[0]

    def sample_and_log_prob(
        self, n: int, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """n draws of x and their log p(x), in one pass; gradients flow to θ through both."""
        context = self._spread(context, n)
        z = self.base.sample(n, context, 1.0, generator)
        x, log_det = self.bijection.inverse(z, context)
        return x, self.base.log_prob(z, context) - log_det

    def latents(self, x: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """f(x) as the list Z_1 (finest), Z_2, …, each in its own shape."""
        self._check("x", x, self.event_shape)
        self._check_context(context, len(x))
        return self.split_latents(self.bijection(x, context)[0])

    def split_latents(self, z: Tensor) -> list[Tensor]:
        """z of the base as the list Z_1 (finest), Z_2, …, each in its own shape: views."""
        if len(self.latent_shapes) == 1:
            return [z]
        parts = z.split([prod(shape) for shape in reversed(self.latent_shapes)], 1)
        return [
            part.unflatten(1, shape) for part, shape in zip(reversed(parts), self.latent_shapes, strict=True)
        ]

    def from_latents(self, latents: Sequence[Tensor], context: Tensor | None = None) -> Tensor:
        """x = f⁻¹(Z_1, Z_2, …): what ``latents`` gives, taken back."""
        if len(latents) != len(self.latent_shapes):
            raise RheonError(f"latents: this flow has {len(self.latent_shapes)}, got {len(latents)}.")
        for number, (latent, shape) in enumerate(zip(latents, self.latent_shapes, strict=True), start=1):
            self._check(f"Z_{number}", latent, shape)
            if len(latent) != len(latents[0]):
                raise RheonError(f"Z_{number} holds {len(latent)} rows, Z_1 holds {len(latents[0])}.")
        self._check_context(context, len(latents[0]))
        return self.bijection.inverse(self.join_latents(latents), context)[0]

    def join_latents(self, latents: Sequence[Tensor]) -> Tensor:
        """z of the base from Z_1, Z_2, …: what :meth:`split_latents` gives, taken back."""
        if len(latents) == 1:
            return latents[0]
        return torch.cat([latent.flatten(1) for latent in reversed(latents)], 1)

    def _check(self, name: str, x: Tensor, shape: torch.Size) -> None:
        if not isinstance(x, Tensor):
            raise RheonError(
                f"{name} must be a torch tensor, got {type(x).__name__}: torch.as_tensor makes one."
            )
        if x.shape[1:] != shape or x.dim() != len(shape) + 1:
            raise RheonError(
                f"{name} must have shape (B, {str(tuple(shape))[1:-1].rstrip(',')}), got {tuple(x.shape)}."
            )
        if x.dtype != self.base.dtype:
            raise RheonError(
                f"{name} is {x.dtype}, the flow is {self.base.dtype}: convert one of them with .to(dtype)."
            )

    def _check_context(self, context: Tensor | None, batch: int) -> None:
        expected = (batch, self.context_features)
        if self.context_features == 0 and context is not None:
            raise RheonError("context was given, but this flow was built without one (context_features=0).")
        if not self.context_features:
            return
        if context is None or tuple(context.shape) != expected:
            came = "none" if context is None else f"shape {tuple(context.shape)}"
            raise RheonError(f"context must have shape {expected}, got {came}.")
        if context.dtype != self.base.dtype:
            raise RheonError(
                f"context is {context.dtype}, the flow is {self.base.dtype}: convert one of them."
            )

    def _spread(self, context: Tensor | None, n: int) -> Tensor | None:
        whole("n", n, 0)
        if context is not None and context.dim() == 1:
            context = context.expand(n, -1)
        self._check_context(context, n)
        return context
