"""A flow whose best weights are known exactly."""

import math

import pytest
import torch
from torch import Tensor, nn


class DiagonalNormal(nn.Module):
    """log p(x) = Σ_d log N(x_d; mean_d, exp(log_scale_d)²): the best is the rows' mean and deviation."""

    def __init__(self, features: int = 3) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z = (x - self.mean) * torch.exp(-self.log_scale)
        return (-0.5 * z * z - self.log_scale - 0.5 * math.log(2 * math.pi)).sum(1)


@pytest.fixture
def normal() -> DiagonalNormal:
    return DiagonalNormal()


@pytest.fixture
def rows() -> Tensor:
    """400 rows of 3 columns, of means 1, -2, 0 and deviations 0.5, 2, 1."""
    z = torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
    return z * torch.tensor([0.5, 2.0, 1.0]) + torch.tensor([1.0, -2.0, 0.0])
