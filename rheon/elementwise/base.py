"""y = f̂(x | ψ), scalar by scalar: the contract of all elementwise maps."""

from abc import ABC, abstractmethod
from typing import Any

import torch
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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "back" not in vars(cls) and not {"forward", "inverse"}.isdisjoint(vars(cls)):
            cls.back = Elementwise.back  # type: ignore[method-assign]  # not what another map inherits

    @abstractmethod
    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """x, ψ → y, log dy/dx, both shaped like x."""

    @abstractmethod
    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """y, ψ → x, log dx/dy, both shaped like y."""

    def back(
        self, y: Tensor, params: Tensor, by_y: Tensor, by_log_dy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """y, ψ and a loss's derivatives by y and log dy/dx → x, and its derivatives by x and by ψ.

        ``inverse`` and the derivative of ``forward``: a map in which they share work may do both at once.
        None stands for a derivative that is zero. What is given back has no graph.
        """
        with torch.no_grad():
            x, _ = self.inverse(y, params)
        with torch.enable_grad():
            inputs = x.detach().requires_grad_(), params.detach().requires_grad_()
            pairs = zip(self.forward(*inputs), (by_y, by_log_dy), strict=True)
            outputs, grads = zip(*(pair for pair in pairs if pair[0].requires_grad), strict=True)
            by_x, by_params = torch.autograd.grad(outputs, inputs, grads, allow_unused=True)
        return x, by_x, by_params
