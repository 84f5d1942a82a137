import torch

from rheon.bijections import Scaling


def test_is_its_formula():
    layer = Scaling((2, 2)).double()
    with torch.no_grad():
        layer.log_scale.copy_(torch.tensor([[1.0, 0.5], [4.0, 2.0]]).log())
    z, log_det = layer(torch.tensor([[[3.0, 3.0], [3.0, 3.0]]]).double())
    torch.testing.assert_close(z, torch.tensor([[[3.0, 1.5], [12.0, 6.0]]]).double())
    torch.testing.assert_close(log_det, torch.tensor([4.0]).double().log())


def test_starts_at_the_identity():
    x = torch.randn(2, 5)
    z, log_det = Scaling(5)(x)
    assert torch.equal(z, x)
    assert not log_det.any()
