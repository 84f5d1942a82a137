"""ψ_θ(x_A, context): networks that read the part a coupling keeps and give the parameters of the other."""

from rheon.conditioners.convnet import ConvNet, ShallowConvNet
from rheon.conditioners.mlp import MLP, ResidualMLP
from rheon.conditioners.positional import PixelMLP, PositionalConvNet

__all__ = ["MLP", "ConvNet", "PixelMLP", "PositionalConvNet", "ResidualMLP", "ShallowConvNet"]
