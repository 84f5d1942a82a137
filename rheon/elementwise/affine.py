"""RealNVP: f̂(x | s, t) = exp(s) x + t, log dy/dx = s."""

import torch
from torch import Tensor

from rheon.elementwise.base import Elementwise
from rheon.errors import RheonError


class Affine(Elementwise):
    """y = exp(s) x + t with s = b tanh(ψ₂), ψ = (t, ψ₂).

    The log-scale is smoothly bounded, |s| < b, so one layer stretches by at most e^b; scales beyond that
    are learned per feature, without a bound, by an ActNorm or a scaling layer in the stack.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    equations 7 and 8.

    Args:
        bound: b, in nats.

    Raises:
        RheonError: ``bound`` is not positive and finite.

    With x = 3, t = 1, ψ₂ = ½: s = 2 tanh ½ and y = 3 exp(s) + 1.

    >>> import torch
    >>> from rheon.elementwise import Affine
    >>> Affine(bound=2.0)(torch.tensor([[3.0]]), torch.tensor([[[1.0], [0.5]]]))
    (tensor([[8.5598]]), tensor([[0.9242]]))
    """

    num_params = 2

    def __init__(self, bound: float = 2.0) -> None:
        super().__init__()
        if not 0 < bound < float("inf"):
            raise RheonError(f"Affine: bound must be positive and finite, got {bound}.")
        self.bound = bound

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        t, s = self._shift_and_log_scale(params)
        return torch.addcmul(t, x, s.exp()), s

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        t, s = self._shift_and_log_scale(params)
        return (y - t) * (-s).exp(), -s

    def back(
        self, y: Tensor, params: Tensor, by_y: Tensor, by_log_dy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As inverse and derivative, in one pass: x̄ = e^s ȳ, t̄ = ȳ, s̄ = x x̄ + ℓ̄."""
        with torch.no_grad():
            t, raw = params.unbind(1)
            tanh = raw.tanh()
            s = tanh * self.bound
            x = (y - t).mul_((-s).exp_())
            by_x = by_y * s.exp_()
            by_raw = torch.addcmul(by_log_dy, x, by_x).mul_((tanh * tanh).sub_(1)).mul_(-self.bound)
            return x, by_x, torch.stack((by_y, by_raw), 1)

    def _shift_and_log_scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        t, raw = params.unbind(1)
        return t, raw.tanh() * self.bound

    def extra_repr(self) -> str:
        return f"bound={self.bound}"
