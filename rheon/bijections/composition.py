"""f = f_n ∘ … ∘ f_1, and f⁻¹ as a bijection of its own."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection
from rheon.errors import RheonError


class Composition(Bijection):
    """f = f_n ∘ … ∘ f_1, given in the order in which data pass: log|det| = Σ_i log|det ∂f_i|.

    Reference: Rezende, Mohamed, *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770,
    section 3.1.

    Args:
        bijections: f_1, f_2, …, at least one; what follows takes the shape that comes out before it.

    Raises:
        RheonError: there is no bijection; from ``latent_shapes``, one follows a :class:`FactorOut`.

    >>> import torch
    >>> from rheon.bijections import Composition, Permutation, Standardise
    >>> units = Standardise(mean=torch.zeros(2), scale=torch.tensor([2.0, 4.0]))
    >>> Composition([units, Permutation([1, 0])])(torch.tensor([[2.0, 8.0]]))  # log|det| = -log 8
    (tensor([[2., 1.]]), tensor([-2.0794]))
    """

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
    """f⁻¹ as a bijection: its forward is f's inverse, its inverse is f. log|det ∂f⁻¹| = -log|det ∂f|.

    Args:
        bijection: f, which must keep the event's shape.

    Raises:
        RheonError: from ``latent_shapes``, f changes the event's shape.

    >>> import torch
    >>> from rheon.bijections import Inverse, Standardise
    >>> f = Standardise(mean=torch.tensor([1.0]), scale=torch.tensor([2.0]))
    >>> f(torch.tensor([[7.0]])), Inverse(f)(torch.tensor([[3.0]]))
    ((tensor([[3.]]), tensor([-0.6931])), (tensor([[7.]]), tensor([0.6931])))
    """

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
