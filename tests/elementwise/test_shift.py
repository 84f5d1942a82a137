import torch

from rheon.elementwise import Shift


def test_golden():
    # 0.1 + 0.7 and 0.1 - 0.7 and log-slopes that are zero to the last bit
    x, t = torch.tensor([[0.1]], dtype=torch.float64), torch.tensor([[[0.7]]], dtype=torch.float64)
    y, log_slope = Shift()(x, t)
    assert abs(y.item() - 0.8) < 1e-15
    assert log_slope.item() == 0.0
    x, log_slope = Shift().inverse(x, t)
    assert abs(x.item() + 0.6) < 1e-15
    assert log_slope.item() == 0.0
