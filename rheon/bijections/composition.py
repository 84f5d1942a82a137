"""f = f_n ∘ … ∘ f_1, and f⁻¹ as a bijection of its own."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection
from rheon.errors import RheonError


class Composition(Bijection):
    """f = f_n ∘ … ∘ f_1, given in the order in which data pass: log|det| = Σ_i log|det ∂f_i|."""

    def __init__(self, bijections: Iterable[Bijection]) -> None:
        super().__init__()
        self.bijections = nn.ModuleList(bijections)
        if not self.bijections:
            raise RheonError("Composition needs at least one bijection, got none.")

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        first, *others = self.bijections
        z, log_det = first(x, context)
        for bijection in others:
            z, log_det_i = bijection(z, context)
            log_det = log_det + log_det_i
        return z, log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        *others, last = self.bijections
        x, log_det = last.inverse(z, context)  # type: ignore[operator]
        for bijection in reversed(others):
            x, log_det_i = bijection.inverse(x, context)  # type: ignore[operator]
            log_det = log_det + log_det_i
        return x, log_det

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        shapes: tuple[torch.Size, ...] = (torch.Size(event_shape),)
        for bijection in self.bijections:
            if len(shapes) > 1:
                raise RheonError(
                    "nothing can follow a FactorOut in a Composition: put it inside the FactorOut."
                )
            shapes = bijection.latent_shapes(shapes[0])  # type: ignore[operator]
        return shapes


class Inverse(Bijection):
    """f⁻¹ as a bijection: its forward is f's inverse, its inverse is f. f must keep the event's shape."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = self.bijection(z, context)
        return x, log_det

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        shapes = self.bijection.latent_shapes(event_shape)
        if shapes != (torch.Size(event_shape),):
            raise RheonError("Inverse takes a bijection that keeps the event's shape.")
        return shapes
