"""NICE: f̂(x | t) = x + t, log dy/dx = 0."""

import torch
from torch import Tensor

from rheon.elementwise.base import Elementwise


class Shift(Elementwise):
    """y = x + t, ψ = (t). Volume is preserved: the log-determinant is exactly 0.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516, additive coupling.

    >>> import torch
    >>> from rheon.elementwise import Shift
    >>> Shift()(torch.tensor([[1.0]]), torch.tensor([[[0.5]]]))
    (tensor([[1.5000]]), tensor([[0.]]))
    """

    num_params = 1

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return x + params[:, 0], torch.zeros_like(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return y - params[:, 0], torch.zeros_like(y)
