"""ψ_θ(x_A, context) for images: a residual convolutional network."""

import torch
from torch import Tensor, nn

from rheon.conditioners.mlp import checked_context, linear


class ConvNet(nn.Module):
    """h ← h + conv₃(relu(conv₃(relu(h)))), ``blocks`` times, between a 3×3 stem and a zeroed 1×1 head.

    (B, in_channels, H, W), (B, context_features) → (B, out_channels, H, W). The context shifts every
    channel of the stem. There is no batch norm: what the network computes in training it computes in
    evaluation.

    Reference: He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, 2016, arXiv:1603.05027.

    Args:
        in_channels: channels of x_A.
        out_channels: P times the channels of x_B.
        width: channels of the hidden layers.
        blocks: residual blocks, of two 3×3 convolutions each.
        context_features: M; without it a context is not looked at.

    Raises:
        RheonError: when called, a context is missing or is not (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import ConvNet
    >>> ConvNet(in_channels=2, out_channels=4)(torch.ones(5, 2, 8, 8)).shape
    torch.Size([5, 4, 8, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int = 32, blocks: int = 2, context_features: int = 0
    ) -> None:
        super().__init__()
        self.context_features = context_features
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        self.shift = linear(context_features, width) if context_features else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, out_channels, 1))
        with torch.no_grad():
            for parameter in self.head[1].parameters():
                parameter.zero_()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        h: Tensor = self.stem(x_a.contiguous(memory_format=torch.channels_last))
        if self.shift is not None:
            shift = self.shift(checked_context(context, self.context_features, len(h)))
            h = h + shift[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        psi: Tensor = self.head(h)
        return psi


class ShallowConvNet(nn.Module):
    """ψ = conv₃(relu(conv₁(relu(conv₃(x_A))))), the last convolution zeroed: Glow's conditioner.

    (B, in_channels, H, W), (B, context_features) → (B, out_channels, H, W). The context shifts every
    channel of the first convolution.

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039, section 4.

    Args:
        in_channels: channels of x_A.
        out_channels: P times the channels of x_B.
        width: channels of the hidden layers.
        context_features: M; without it a context is not looked at.

    Raises:
        RheonError: when called, a context is missing or is not (B, context_features).

    >>> import torch
    >>> from rheon.conditioners import ShallowConvNet
    >>> ShallowConvNet(in_channels=2, out_channels=4)(torch.ones(5, 2, 8, 8)).shape
    torch.Size([5, 4, 8, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int = 64, context_features: int = 0
    ) -> None:
        super().__init__()
        self.context_features = context_features
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        self.shift = linear(context_features, width) if context_features else None
        self.middle = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(width, out_channels, 3, padding=1)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.zero_()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x_a: Tensor, context: Tensor | None = None) -> Tensor:
        h: Tensor = self.stem(x_a.contiguous(memory_format=torch.channels_last))
        if self.shift is not None:
            shift = self.shift(checked_context(context, self.context_features, len(h)))
            h = h + shift[:, :, None, None]
        psi: Tensor = self.head(self.middle(h.relu_()).relu_())
        return psi
