"""The coupling of events of which a part is absent."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection
from rheon.bijections.coupling import Coupling
from rheon.elementwise.base import Elementwise
from rheon.errors import RheonError
from rheon.partitions import Partition


class MaskedCoupling(Bijection):
    """f(x) = (x_A, f̂(x_B | ψ_θ(m_A ⊙ x_A, context)) where m_B, x_B elsewhere), m the first D of the context.

    m = [context > 0] says which of the D features are there. An absent one is neither seen, since ψ gets 0
    in its place, nor touched, so

        log|det ∂f/∂x| = Σ_{m_B} log ∂f̂/∂x_B,

    and in a stack of such layers and permutations of x and m the latent of what is there is a function of
    what is there: p(x_present | m) is a factor of p(x | m), exact for every pattern m.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803, for
    the coupling; Li, Akbar, Oliva, *ACFlow: Flow Models for Arbitrary Conditional Likelihoods*, 2020,
    arXiv:1909.06319, for masks.

    Args:
        partition: x ↔ (x_A, x_B), of a vector.
        elementwise: f̂.
        conditioner: ψ_θ, as for :class:`Coupling`; its context is the whole context, m included.

    Raises:
        RheonError: when called, there is no context, or it has fewer than D features.

    >>> import torch
    >>> from rheon.bijections import MaskedCoupling
    >>> from rheon.conditioners import MLP
    >>> from rheon.elementwise import Affine
    >>> from rheon.partitions import Halves
    >>> f = MaskedCoupling(Halves(), Affine(), MLP(1, 2, context_features=2))
    >>> f(torch.tensor([[7.0, 3.0]]), torch.tensor([[1.0, 0.0]]))[0].tolist()
    [[7.0, 3.0]]
    """

    def __init__(self, partition: Partition, elementwise: Elementwise, conditioner: nn.Module) -> None:
        super().__init__()
        self.coupling = Coupling(partition, elementwise, conditioner)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        coupling = self.coupling
        x_a, x_b = coupling.partition.split(x)
        m_b, psi, no_number = self._given(x_a, x_b, context)
        y, log_det = self._kept(x_a, x_b, m_b, *coupling.elementwise(x_b, psi))
        return y, log_det + no_number

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        coupling = self.coupling
        x_a, y_b = coupling.partition.split(z)
        m_b, psi, no_number = self._given(x_a, y_b, context)
        x, log_det = self._kept(x_a, y_b, m_b, *coupling.elementwise.inverse(y_b, psi))
        return x, log_det + no_number

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        return self.coupling.latent_shapes(event_shape)

    def _given(self, x_a: Tensor, x_b: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """m_B, ψ, and 0 for each row, NaN where the context is: no number passes for an absence."""
        features = x_a.shape[1] + x_b.shape[1]
        if context is None or context.dim() != 2 or context.shape[1] < features:
            came = "none" if context is None else f"shape {tuple(context.shape)}"
            raise RheonError(
                f"context must say which of the {features} features are there, by its first {features}; "
                f"got {came}."
            )
        m_a, m_b = self.coupling.partition.split(context[:, :features] > 0)
        return m_b, self.coupling.psi(torch.where(m_a, x_a, 0.0), x_b, context), 0 * context.sum(1)

    def _kept(
        self, x_a: Tensor, x_b: Tensor, m_b: Tensor, y_b: Tensor, log_dy: Tensor
    ) -> tuple[Tensor, Tensor]:
        y = self.coupling.partition.merge(x_a, torch.where(m_b, y_b, x_b))
        return y, torch.where(m_b, log_dy, 0.0).sum(1)
