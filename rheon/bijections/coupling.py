"""f(x) = (x_A, f̂(x_B | ψ_θ(x_A))): the coupling layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection, sum_event
from rheon.elementwise.base import Elementwise
from rheon.errors import RheonError
from rheon.partitions import Partition


class Coupling(Bijection):
    """f(x) = (x_A, f̂(x_B | ψ_θ(x_A, context))).

    The Jacobian is block-triangular, [[I, 0], [∂f̂/∂x_A, ∂f̂/∂x_B]], and its second diagonal block is
    diagonal, so

        log|det ∂f/∂x| = Σ log ∂f̂/∂x_B.

    The inverse is as cheap as f, since ψ depends on x_A alone, which f leaves as it is.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516; Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017,
    arXiv:1605.08803.

    Args:
        partition: x ↔ (x_A, x_B).
        elementwise: f̂, with P parameters per scalar.
        conditioner: ψ_θ, any module (x_A, context) → (B, P · C_B, …), where C_B is the first axis of x_B.

    Raises:
        RheonError: when called, ψ has another shape; from ``latent_shapes``, the partition refuses the event.

    >>> import torch
    >>> from rheon.bijections import Coupling
    >>> from rheon.conditioners import MLP
    >>> from rheon.elementwise import Affine
    >>> from rheon.partitions import Halves
    >>> f = Coupling(Halves(), Affine(), MLP(2, 2 * 2))
    >>> z, log_det = f(torch.zeros(5, 4))
    >>> z.shape, log_det.shape
    (torch.Size([5, 4]), torch.Size([5]))
    """

    def __init__(self, partition: Partition, elementwise: Elementwise, conditioner: nn.Module) -> None:
        super().__init__()
        self.partition = partition
        self.elementwise = elementwise
        self.conditioner = conditioner

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x_a, x_b = self.partition.split(x)
        y_b, log_dy = self.elementwise(x_b, self.psi(x_a, x_b, context))
        return self.partition.merge(x_a, y_b), sum_event(log_dy)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x_a, y_b = self.partition.split(z)
        x_b, log_dx = self.elementwise.inverse(y_b, self.psi(x_a, y_b, context))
        return self.partition.merge(x_a, x_b), sum_event(log_dx)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        self.partition.shapes(tuple(event_shape))
        return super().latent_shapes(event_shape)

    def psi(self, x_a: Tensor, x_b: Tensor, context: Tensor | None) -> Tensor:
        """ψ_θ(x_A, context), (B, P, …) for x_B (B, …), whose values it does not look at."""
        psi: Tensor = self.conditioner(x_a, context)
        expected = self.elementwise.num_params * x_b.shape[1]
        if psi.shape[1] != expected or psi.shape[2:] != x_b.shape[2:]:
            raise RheonError(
                f"conditioner must give {self.elementwise.num_params} parameters for each scalar of x_B, "
                f"shape {(len(x_b), expected, *x_b.shape[2:])}, got {tuple(psi.shape)}."
            )
        # In the flow's own precision, whatever the network computes in.
        return psi.to(x_b.dtype).view(len(x_b), self.elementwise.num_params, *x_b.shape[1:])
