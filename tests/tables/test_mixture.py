"""The mixture: the density that scikit-learn's is, and a file that is read with suspicion."""

import numpy as np
import pytest
import torch
from scipy import stats

from rheon.errors import ModelError
from rheon.tables.mixture import Mixture

WEIGHTS = torch.tensor([0.3, 0.7]).double()
MEANS = torch.tensor([[0.0, 1.0], [2.0, -1.0]]).double()
PRECISIONS = torch.tensor([[[1.0, 0.5], [0.0, 2.0]], [[0.7, -0.2], [0.0, 1.5]]]).double()
MIXTURE = Mixture(WEIGHTS, MEANS, PRECISIONS)
Z = torch.randn(7, 2, generator=torch.Generator().manual_seed(0)).double()


def covariances() -> np.ndarray:
    return np.linalg.inv((PRECISIONS @ PRECISIONS.mT).numpy())


def test_log_prob_is_that_of_the_gaussians():
    expected = sum(
        w * stats.multivariate_normal(m.numpy(), c).pdf(Z.numpy())
        for w, m, c in zip(WEIGHTS.tolist(), MEANS, covariances(), strict=True)
    )
    np.testing.assert_allclose(MIXTURE.log_prob(Z), np.log(expected), rtol=1e-12)


def test_samples_have_the_moments_of_the_mixture():
    draws = MIXTURE.sample(100_000, 1.0, torch.Generator().manual_seed(0))
    mean = (WEIGHTS @ MEANS).numpy()
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.02)
    second = sum(
        w * (c + np.outer(m, m))
        for w, m, c in zip(WEIGHTS.tolist(), MEANS.numpy(), covariances(), strict=True)
    )
    np.testing.assert_allclose(np.cov(draws.T.numpy()), second - np.outer(mean, mean), atol=0.05)
    cold = MIXTURE.sample(500, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(cold.unique(dim=0), MEANS)
    assert MIXTURE.sample(0, 1.0, torch.Generator()).shape == (0, 2)


def test_a_blend_is_the_weighted_mean():
    other = Mixture(torch.ones(1).double(), MEANS[:1], PRECISIONS[:1])
    blend = Mixture.blend([MIXTURE, other], torch.tensor([3.0, 1.0]).double())
    expected = 0.75 * MIXTURE.log_prob(Z).exp() + 0.25 * other.log_prob(Z).exp()
    torch.testing.assert_close(blend.log_prob(Z).exp(), expected)


def test_tensors_that_are_no_mixture_are_refused():
    tensors = MIXTURE.tensors()
    assert torch.equal(Mixture.from_tensors(tensors, 2).log_prob(Z), MIXTURE.log_prob(Z))
    for wrong in (
        {"weights": tensors["weights"] * 2},
        {"weights": -tensors["weights"]},
        {"means": tensors["means"][:, :1]},
        {"precisions": tensors["precisions"] * 0},
        {"means": tensors["means"].float()},
    ):
        with pytest.raises(ModelError):
            Mixture.from_tensors({**tensors, **wrong}, 2)
    with pytest.raises(ModelError, match="lacks"):
        Mixture.from_tensors({}, 2)
