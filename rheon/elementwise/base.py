"""y = f̂(x | ψ), scalar by scalar: the contract of all elementwise maps."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Elementwise(nn.Module, ABC):
    """A strictly increasing map of each scalar, y = f̂(x | ψ).

    x has shape (B, …) and ψ has shape (B, P, …): the parameter axis comes first, so that every
    operation runs over the event. With ψ = 0 the map is the identity.
    """

    num_params: int
    """P, the parameters per scalar."""

    @abstractmethod
    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """x, ψ → y, log dy/dx, both shaped like x."""

    @abstractmethod
    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """y, ψ → x, log dx/dy, both shaped like y."""
