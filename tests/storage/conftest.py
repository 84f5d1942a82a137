import pytest
import torch


@pytest.fixture
def config():
    return {
        "kind": "image",
        "architecture": {
            "name": "nice",
            "arguments": {"features": 6, "hidden": [8, 8], "alpha": 0.05, "seed": 2**62},
        },
        "preprocessing": {"levels": 17, "note": "Größe ≥ 0"},
        "figures": {"bits_per_dim": 0.1 + 0.2},
    }


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=generator)
    return {
        "layers.0.weight": weight,
        "layers.0.tied": weight,  # memory that two tensors share
        "layers.1.weight": torch.randn(4, 6, generator=generator).T,  # not contiguous
        "double": torch.randn(3, generator=generator, dtype=torch.float64),
        "half": torch.randn(3, generator=generator).bfloat16(),
        "steps": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "empty": torch.zeros(0, 4),
        "learned": torch.ones(2, requires_grad=True),
    }
