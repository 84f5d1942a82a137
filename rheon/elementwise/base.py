"""y = f̂(x | ψ), scalar by scalar: the contract of all elementwise maps."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Elementwise(nn.Module, ABC):
    """A strictly increasing map of each scalar, y = f̂(x | ψ).

    x has shape (B, …) and ψ has shape (B, P, …): the parameter axis comes first, so that every
    operation runs over the event. With ψ = 0 the map is the identity.

    A map of one's own is two methods, and serves every partition and conditioner:

    >>> import torch
    >>> from rheon.elementwise import Elementwise
    >>> class Scale(Elementwise):
    ...     num_params = 1
    ...
    ...     def forward(self, x, params):
    ...         return x * params[:, 0].exp(), params[:, 0]
    ...
    ...     def inverse(self, y, params):
    ...         return y * (-params[:, 0]).exp(), -params[:, 0]
    >>> Scale()(torch.tensor([[3.0]]), torch.tensor([[[2.0]]]).log())
    (tensor([[6.]]), tensor([[0.6931]]))
    """

    num_params: int
    """P, the parameters per scalar."""

    iterative = False
    """Whether ``inverse`` is found step by step, and takes several times as long as ``forward``."""

    @abstractmethod
    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """x, ψ → y, log dy/dx, both shaped like x."""

    @abstractmethod
    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """y, ψ → x, log dx/dy, both shaped like y."""
