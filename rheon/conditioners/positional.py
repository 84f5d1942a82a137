"""ψ_θ(x_A, context) for images: a convolutional network that knows where in the image it is."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from rheon.conditioners.mlp import MLP, checked_context, linear

_CONTRAST = 4.0
"""Differences between neighbours are smaller than intensities, and tell more."""


class PositionalConvNet(nn.Module):
    """h ← h + conv₁(relu(conv₃(relu(h)))), ``blocks`` times, between a stem and a zeroed 1×1 head.

    (B, in_channels, H, W), (B, context_features) → (B, out_channels, H, W). The channels of x = x_A are
    phases of C colours; with m the mean of each colour over phases and 3×3 pixels, the stem is a 3×3
    convolution of the contrasts 4 (x - m) and of m, plus a learned map (width, H, W), since what stands where
    matters in centred images, plus a linear function of the context. To some outputs m is added: a pixel is,
    before anything is learned, as its neighbours are.

    No relu stands before the head: a part of ψ is linear in the neighbours, and is learned at once, the
    blocks refine it. Outputs have a gain of their own, exp(3 g), by which a small learning rate moves them
    far.

    Memory is channel by channel in ψ, so that a map with many parameters a scalar runs over whole images.

    Reference: He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, 2016, arXiv:1603.05027; the
    gain: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018, arXiv:1807.03039
    (its program).

    Args:
        in_channels: channels of x_A, at least 0; without any, ψ depends on the place and the context alone.
        out_channels: P times the channels of x_B.
        size: (H, W).
        width: channels of the hidden layers.
        blocks: residual blocks.
        levels: number of grey levels, where x_A are levels k plus noise, of which the network then sees
            (2k + 1) / levels - 1 alone; without it, x_A as it is.
        context_features: M; without it a context is not looked at.
        colours: C, of which in_channels are a multiple.
        places: the C outputs, one after the other, to which m is added; none unless given.

    Raises:
        RheonError: when called, a context is missing or is not (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import PositionalConvNet
    >>> PositionalConvNet(in_channels=2, out_channels=4, size=(8, 8))(torch.ones(5, 2, 8, 8)).shape
    torch.Size([5, 4, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: Sequence[int],
        width: int = 32,
        blocks: int = 1,
        levels: int | None = None,
        context_features: int = 0,
        colours: int = 1,
        places: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.context_features, self.levels = context_features, levels
        self.colours, self.places = colours, tuple(places)
        self.stem = nn.Conv2d(in_channels + colours, width, 3, padding=1) if in_channels else None
        self.place = nn.Parameter(torch.zeros(*size, width).movedim(2, 0))  # in memory as what it is added to
        self.shift = linear(context_features, width) if context_features else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 1),
            )
            for _ in range(blocks)
        )
        self.head = nn.Linear(width, out_channels)
        self.gain = nn.Parameter(torch.zeros(out_channels))
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.zero_()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        h, mean = self.place.expand(len(x_a), *self.place.shape), None
        if self.stem is not None:
            x = _seen(x_a.contiguous(memory_format=torch.channels_last), self.levels)
            phases = x.unflatten(1, (-1, self.colours))
            mean = avg_pool2d(phases.mean(1), 3, 1, 1, count_include_pad=False)
            contrast = (phases - mean.unsqueeze(1)).mul_(_CONTRAST).flatten(1, 2)
            h = self.stem(torch.cat((contrast, mean), 1)) + self.place
        if self.shift is not None:
            shift = self.shift(checked_context(context, self.context_features, len(x_a)))
            h = h + shift[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        pixels = h.permute(0, 2, 3, 1)
        gain = (3 * self.gain).exp()
        told = None if mean is None or not self.places else mean.transpose(0, 1).reshape(self.colours, -1)
        psi = _head(
            pixels.flatten(0, 2), self.head.weight * gain[:, None], self.head.bias * gain, told, self.places
        )
        return psi.view(len(gain), *pixels.shape[:3]).movedim(0, 1)


def _head(h: Tensor, weight: Tensor, bias: Tensor, told: Tensor | None, places: tuple[int, ...]) -> Tensor:
    """ψ = W hᵀ + b, (P, N), with ``told`` (C, N) added to the rows ``places``."""
    if not torch.compiler.is_compiling():
        psi: Tensor = _Head.apply(h, weight, bias, told, places)
        return psi
    psi = torch.addmm(bias[:, None], weight, h.t())
    if told is None:
        return psi
    first, last = places[0], places[-1] + 1
    return torch.cat((psi[:first], psi[first:last] + told, psi[last:]))


class _Head(torch.autograd.Function):
    """The same as one node, without copies of all of ψ."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, told: Tensor | None, places: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(h, weight)
        ctx.places = None if told is None else slice(places[0], places[-1] + 1)
        psi = torch.addmm(bias[:, None], weight, h.t())
        if told is not None:
            psi[ctx.places] += told
        return psi

    @staticmethod
    def backward(ctx: Any, to_psi: Tensor) -> tuple[Tensor | None, ...]:
        h, weight = ctx.saved_tensors
        to_told = None if ctx.places is None else to_psi[ctx.places]
        return to_psi.t() @ weight, to_psi @ h, to_psi.sum(1), to_told, None


class PixelMLP(nn.Module):
    """An :class:`MLP` for images of one pixel: (B, C, 1, 1) → (B, out_channels, 1, 1).

    Args:
        in_channels: C, at least 0.
        out_channels: P times the channels of x_B.
        hidden: width of each hidden layer.
        levels: number of grey levels, where x_A are levels k plus noise, of which the network then sees
            (2k + 1) / levels - 1 alone; without it, x_A as it is.
        context_features: M; without it a context is not looked at.

    Raises:
        RheonError: when called, a context is missing or is not (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import PixelMLP
    >>> PixelMLP(in_channels=2, out_channels=4)(torch.ones(5, 2, 1, 1)).shape
    torch.Size([5, 4, 1, 1])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: Sequence[int] = (64, 64),
        levels: int | None = None,
        context_features: int = 0,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.mlp = MLP(in_channels, out_channels, hidden, context_features)

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        psi: Tensor = self.mlp(_seen(x_a, self.levels).flatten(1), context)
        return psi[:, :, None, None]


def _seen(x: Tensor, levels: int | None) -> Tensor:
    """x itself, or of levels plus noise the middle of each value's cell, [0, levels] → (-1, 1)."""
    return x if levels is None else (x.floor() + 0.5) * (2 / levels) - 1
