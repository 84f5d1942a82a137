"""W x + b, by the fastest matrix product that the machine has.

On the CPU, PyTorch multiplies float32 matrices with its BLAS library. Where that is MKL and the processor is
not Intel's, it runs at half the speed that oneDNN, the other library in every build, reaches on the same core
(measured: ``benchmarks/README.md``). oneDNN costs about 10 µs a call, so it serves the large products.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx
from torch.nn import functional

_WORTH = 1 << 21
"""Multiplications from which oneDNN is the faster one, forward and backward taken together."""

_onednn: Any = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
)


def product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x Wᵀ + b for x (B, in): (B, out), equal to rounding in every way, with derivatives of every order."""
    large = x.shape[0] * weight.numel() >= _WORTH and x.dtype == torch.float32 and x.device.type == "cpu"
    plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
    if large and _onednn is not None and not plain:
        y: Tensor = (_Product.apply if _looked_at() else _Product.forward)(x, weight, bias)
        return y
    return functional.linear(x, weight, bias)


def _looked_at() -> bool:
    """Whether autograd, or a transform, is to know of an operation."""
    return (
        torch.is_grad_enabled()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


class _Product(torch.autograd.Function):
    """y = x Wᵀ + b. Its derivatives are products by this same function, so they can be derived in turn."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # With gaps between the rows of a weight, as a view of half a batch has them, oneDNN is 1000× slower.
        dense = weight if weight.is_contiguous() or weight.t().is_contiguous() else weight.contiguous()
        y: Tensor = _onednn(x, dense, bias, "none", [], "")
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        need_x, need_weight, need_bias = ctx.needs_input_grad
        # Without what ``apply`` adds where nothing looks on: its checks cost as much as a small product.
        times = _Product.apply if _looked_at() else _Product.forward
        return (
            times(grad, weight.t(), None) if need_x else None,
            times(grad.t(), x.t(), None) if need_weight else None,
            grad.sum(0) if need_bias else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *operands: Any) -> tuple[Tensor, int]:
        return torch.vmap(functional.linear, in_dims)(*operands), 0

    @staticmethod
    def jvp(
        ctx: FunctionCtx, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None
    ) -> Tensor | None:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        parts = [] if x_t is None else [functional.linear(x_t, weight)]
        parts += [] if weight_t is None else [functional.linear(x, weight_t)]
        parts += [] if bias_t is None else [bias_t]
        return sum(parts[1:], parts[0]) if parts else None
