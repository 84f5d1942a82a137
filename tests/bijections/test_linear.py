import numpy as np
import pytest
import torch

from rheon.bijections import InvertibleConv1x1, LULinear, Whitening
from rheon.errors import RheonError
from tests.contracts import jacobian, noise, perturbed


def weight(layer: LULinear) -> torch.Tensor:
    """W, column by column: what the layer makes of the unit vectors."""
    eye = torch.eye(layer.features, dtype=layer.bias.dtype)
    return (layer(eye)[0] - layer(torch.zeros_like(eye))[0]).T.detach()


@pytest.mark.parametrize("seed", [None, 3])
def test_log_det_is_that_of_the_dense_matrix(seed):
    layer = perturbed(LULinear(7, seed), scale=0.5)
    _, log_det = layer(noise(3, 7))
    sign_and_log = np.linalg.slogdet(weight(layer).numpy())
    assert log_det.tolist() == pytest.approx([sign_and_log.logabsdet] * 3, rel=1e-12)


@pytest.mark.parametrize("seed", [None, 3])
def test_inverse_is_that_of_the_dense_matrix(seed):
    layer, z = perturbed(LULinear(7, seed), scale=0.3), noise(5, 7)
    expected = np.linalg.solve(weight(layer).numpy(), (z - layer.bias).detach().numpy().T).T
    torch.testing.assert_close(layer.inverse(z)[0].detach(), torch.from_numpy(expected), rtol=1e-9, atol=1e-9)


def test_starts_as_the_identity_or_as_a_permutation():
    x = noise(4, 9)
    z, log_det = LULinear(9).double()(x)
    assert torch.equal(z, x)
    assert not log_det.any()
    z, log_det = LULinear(9, seed=1).double()(x)
    assert torch.equal(z.sort(1).values, x.sort(1).values)
    assert not torch.equal(z, x)
    assert not log_det.any()


def test_the_permutation_is_its_seed_and_not_saved():
    first, again, other = (weight(LULinear(9, seed).double()) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert set(LULinear(9, seed=1).state_dict()) == set(LULinear(9).state_dict())


def test_can_become_any_matrix_of_positive_pivots():
    # W = L U needs every entry on and off the diagonal: each parameter moves its own entry.
    layer = LULinear(3).double()
    with torch.no_grad():
        layer.lower.copy_(torch.tensor([[9.0, 9, 9], [2, 9, 9], [-1, 4, 9]]))  # 9: no part of L or U
        layer.upper.copy_(torch.tensor([[9.0, 3, -2], [9, 9, 5], [9, 9, 9]]))
        layer.log_diagonal.copy_(torch.tensor([2.0, 0.5, 3.0], dtype=torch.float64).log())
    lower = np.array([[1.0, 0, 0], [2, 1, 0], [-1, 4, 1]])
    upper = np.array([[2.0, 3, -2], [0, 0.5, 5], [0, 0, 3]])
    np.testing.assert_allclose(weight(layer).numpy(), lower @ upper, rtol=1e-14)


def test_convolution_is_the_same_matrix_at_every_pixel():
    layer = perturbed(InvertibleConv1x1(4, seed=2), scale=0.4)
    x = noise(2, 4, 3, 5)
    z, log_det = layer(x)
    dense = weight(layer.linear)
    expected = torch.einsum("oc,bchw->bohw", dense, x) + layer.linear.bias.view(-1, 1, 1)
    torch.testing.assert_close(z, expected, rtol=1e-12, atol=1e-12)
    assert log_det.tolist() == pytest.approx([15 * np.linalg.slogdet(dense.numpy()).logabsdet] * 2, rel=1e-12)


def test_convolution_in_float32_agrees_with_its_jacobian_in_float64():
    layer = perturbed(InvertibleConv1x1(2, seed=0)).float()
    x = noise(1, 2, 2, 3, dtype=torch.float32)
    _, log_det = layer(x)
    exact = torch.linalg.slogdet(jacobian(lambda v: layer.double()(v)[0], x[0].double()))[1]
    assert log_det.item() == pytest.approx(exact.item(), rel=1e-5)


def test_whitening_takes_a_covariance_to_the_identity():
    x = torch.tensor([[2.0, 1.0], [0.0, 3.0]], dtype=torch.float64) @ noise(2, 500) + 7
    values, vectors = torch.linalg.eigh(torch.cov(x))
    z, log_det = Whitening(x.mean(1), (vectors / values.sqrt()) @ vectors.T)(x.T)
    torch.testing.assert_close(torch.cov(z.T), torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(log_det, (-values.log().sum() / 2).expand(500))


def test_whitening_by_a_singular_matrix_is_refused():
    with pytest.raises(RheonError, match="invertible"):
        Whitening(torch.zeros(2), torch.ones(2, 2))
    with pytest.raises(RheonError, match=r"\(D, D\)"):
        Whitening(torch.zeros(2), torch.eye(3))
