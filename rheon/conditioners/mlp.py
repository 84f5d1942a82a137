"""ψ_θ(x_A, context) for vectors: plain and residual multi-layer perceptrons."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from rheon.conditioners.product import product
from rheon.errors import RheonError

NARROW = 32
"""Up to so many outputs, ψ lies features-first in memory, with strides (1, B): what follows then runs along
the batch, and not along rows of a few numbers, several times faster."""

_FEATURES_FIRST = 256
"""The same for residual networks, which have more to do for each row."""


class MLP(nn.Module):
    """ψ = W_n relu(… relu(W_1 [x_A, context])): (B, in_features), (B, context_features) → (B, out_features).

    The last layer starts at zero, so a coupling with it starts at the identity. All weights and biases are
    one parameter, ``theta``: on small networks the time of an optimiser goes by the number of tensors.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516, section 5.1; the start at zero: Kingma, Dhariwal, *Glow: Generative Flow with Invertible
    1×1 Convolutions*, 2018, arXiv:1807.03039, section 3.3.

    Args:
        in_features: features of x_A; 0 gives parameters that depend on the context alone, or on nothing.
        out_features: P times the features of x_B.
        hidden: width of each hidden layer.
        context_features: M; without it a context is not looked at.

    Raises:
        RheonError: when called, a context is missing or is not (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import MLP
    >>> MLP(in_features=2, out_features=3, context_features=1)(torch.ones(1, 2), torch.ones(1, 1)).tolist()
    [[0.0, 0.0, 0.0]]
    """

    def __init__(
        self, in_features: int, out_features: int, hidden: Sequence[int] = (64, 64), context_features: int = 0
    ) -> None:
        super().__init__()
        self.in_features, self.context_features = in_features, context_features
        self.widths = (in_features + context_features, *hidden, out_features)
        self.sizes = [size for i, o in pairwise(self.widths) for size in (o * i, o)]
        # Registered before a number is written: who bounds what may be built can stop it here.
        self.theta = nn.Parameter(torch.empty(sum(self.sizes)))
        *hidden_layers, head = self.layers(self.theta.detach())
        for inputs, layer in zip(self.widths, hidden_layers, strict=False):
            for tensor in layer:  # as torch starts a linear layer
                tensor.uniform_(-(max(inputs, 1) ** -0.5), max(inputs, 1) ** -0.5)
        for tensor in head:
            tensor.zero_()

    def layers(self, theta: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(W_1, b_1), (W_2, b_2), …: views of ``theta``, or of any tensor of its shape."""
        parts = theta.split_with_sizes(self.sizes)
        shapes = [(outputs, inputs) for inputs, outputs in pairwise(self.widths)]
        return [(w.view(shape), b) for w, b, shape in zip(parts[::2], parts[1::2], shapes, strict=True)]

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        h = with_context(x_a, context, self.context_features)
        *layers, (weight, bias) = self.layers(self.theta)
        for w, b in layers:
            h = product(h, w, b).relu_()
        if len(bias) <= NARROW:
            return torch.addmm(bias.unsqueeze(1), weight, h.t()).t()
        return product(h, weight, bias)

    def extra_repr(self) -> str:
        return " → ".join(map(str, self.widths))


class ResidualMLP(nn.Module):
    """h ← h + W₂ drop(relu(W₁ relu(h))), ``blocks`` times, between a linear stem and a zeroed linear head.

    The context enters at the stem and again in each block, so depth does not wash it out.
    (B, in_features), (B, context_features) → (B, out_features).

    Reference: He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, 2016, arXiv:1603.05027.

    Args:
        in_features: features of x_A; 0 gives parameters that depend on the context alone, or on nothing.
        out_features: P times the features of x_B.
        width: features of h.
        blocks: residual blocks, of two linear layers each.
        context_features: M; without it a context is not looked at.
        dropout: share of each block's inner features that is left out in training.

    Raises:
        RheonError: ``dropout`` is not in [0, 1); when called, a context is missing or is not
            (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import ResidualMLP
    >>> ResidualMLP(in_features=2, out_features=3, blocks=4)(torch.ones(1, 2)).tolist()
    [[0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 64,
        blocks: int = 2,
        context_features: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise RheonError(f"ResidualMLP: dropout must be at least 0 and below 1, got {dropout}.")
        self.context_features = context_features
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.stem = linear(in_features + context_features, width)
        self.inner = nn.ModuleList(linear(width + context_features, width) for _ in range(blocks))
        self.outer = nn.ModuleList(zero_linear(width, width) for _ in range(blocks))
        self.head = zero_linear(width, out_features)

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        h = _apply(self.stem, with_context(x_a, context, self.context_features))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            # relu, not relu_: h itself goes on beside the block
            r = _apply(inner, with_context(h.relu(), context, self.context_features)).relu_()
            h = h + _apply(outer, self.dropout(r))
        h, weight, bias = h.relu(), self.head.weight, self.head.bias
        if len(bias) <= _FEATURES_FIRST:
            return torch.addmm(bias.unsqueeze(1), weight, h.t()).t()
        return product(h, weight, bias)


def _apply(layer: nn.Module, x: Tensor) -> Tensor:
    return product(x, cast(Tensor, layer.weight), cast(Tensor, layer.bias))


def linear(in_features: int, out_features: int) -> nn.Linear:
    """A linear layer with torch's own initialisation; without inputs it is a learned constant."""
    layer = nn.Linear(max(in_features, 1), out_features)
    if in_features == 0:
        layer.in_features = 0
        layer.weight = nn.Parameter(layer.weight.new_zeros(out_features, 0))
    return layer


def zero_linear(in_features: int, out_features: int) -> nn.Linear:
    """A linear layer that starts at zero, weight and bias."""
    layer = linear(in_features, out_features)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    return layer


def with_context(h: Tensor, context: Tensor | None, context_features: int) -> Tensor:
    """[h, context], or h where no context is expected."""
    if not context_features:
        return h
    return torch.cat((h, checked_context(context, context_features, len(h))), 1)


def checked_context(context: Tensor | None, context_features: int, batch: int) -> Tensor:
    """The context, if it is there and has shape (B, context_features)."""
    expected = (batch, context_features)
    if context is None:
        raise RheonError(f"context is missing: this flow was built for a context of shape {expected}.")
    if context.shape != expected:
        raise RheonError(f"context must have shape {expected}, got {tuple(context.shape)}.")
    return context
