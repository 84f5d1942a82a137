"""f, of whose layers the inputs are kept: each is computed again for its derivative."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rheon.bijections.base import Bijection
from rheon.memory.chain import by_hand, chain, through
from rheon.memory.replay import moving, unmoved


class Checkpointed(Bijection):
    """f, of which little more than the input of each layer is kept for the backward pass.

    Derivatives are those of the layers one by one, to the bit. Random numbers that a layer draws (dropout)
    are the same in both computations of it, and running statistics move once.

    Args:
        bijection: f.

    >>> import torch
    >>> from rheon.bijections import ActNorm, Composition
    >>> from rheon.memory import Checkpointed
    >>> f = Composition([ActNorm(2), ActNorm(2)]).eval()
    >>> Checkpointed(f)(torch.ones(1, 2))[0].detach()
    tensor([[1., 1.]])
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        layers = chain(self.bijection)

        def apply(i: int, x: Tensor) -> tuple[Tensor, Tensor]:
            layer = layers[i]
            if not any(layer.children()):  # a formula, for which no more than its input is kept anyway
                return layer.forward(x, context)
            contexts = nullcontext(), unmoved(moving(layer.modules()))
            z, log_det = checkpoint(layer, x, context, use_reentrant=False, context_fn=lambda: contexts)
            return z, log_det

        if not by_hand():
            return self.bijection.forward(x, context)
        return through(layers, x, apply)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(z, context)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        return self.bijection.latent_shapes(event_shape)
