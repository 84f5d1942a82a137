"""The mixture beside the flow: a density, the one that scikit-learn's is, and a weight that EM would find."""

import numpy as np
import pytest
import torch
from scipy import stats

from rheon.errors import ModelError
from rheon.tables.floor import Mixture, flow_weight

RNG = np.random.default_rng(0)
Z = torch.from_numpy(
    np.where(RNG.random((900, 1)) < 0.4, -2.0, 1.0) + 0.5 * RNG.normal(size=(900, 2))
).float()
FOLDS = [(torch.arange(900)[torch.arange(900) % 3 != k], torch.arange(k, 900, 3)) for k in range(3)]


@pytest.fixture(scope="module")
def fitted() -> tuple[Mixture, torch.Tensor]:
    return Mixture.fit(Z, FOLDS, seed=0)


def test_log_prob_is_that_of_the_gaussians():
    weights, means = torch.tensor([0.3, 0.7]).double(), torch.tensor([[0.0, 1.0], [2.0, -1.0]]).double()
    precisions = torch.tensor([[[1.0, 0.5], [0.0, 2.0]], [[0.7, -0.2], [0.0, 1.5]]]).double()
    z = torch.randn(7, 2, generator=torch.Generator().manual_seed(0)).double()
    expected = sum(
        w * stats.multivariate_normal(m.numpy(), np.linalg.inv((p @ p.T).numpy())).pdf(z.numpy())
        for w, m, p in zip(weights.tolist(), means, precisions, strict=True)
    )
    np.testing.assert_allclose(Mixture(weights, means, precisions).log_prob(z), np.log(expected), rtol=1e-12)


def test_two_clusters_are_found_and_judged_by_rows_left_out(fitted):
    mixture, held_out = fitted
    alone = stats.multivariate_normal(Z.mean(0).numpy(), np.cov(Z.T.numpy())).logpdf(Z.numpy()).mean()
    assert float(held_out.mean()) > alone + 0.3
    assert float(mixture.log_prob(Z.double()).mean()) == pytest.approx(float(held_out.mean()), abs=0.1)


def test_samples_have_the_moments_of_the_rows(fitted):
    draws = fitted[0].sample(40_000, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.mean(0), Z.mean(0).double(), rtol=0, atol=0.03)
    np.testing.assert_allclose(np.cov(draws.T.numpy()), np.cov(Z.T.numpy()), atol=0.06)
    cold = fitted[0].sample(500, 0.0, torch.Generator().manual_seed(0))
    assert len(cold.unique(dim=0)) <= len(fitted[0].weights)


def test_the_weight_maximises_the_likelihood():
    flow, mixture = torch.from_numpy(RNG.normal(size=(2, 400)))
    grid = np.linspace(0.001, 0.999, 999)
    values = [float(torch.logaddexp(flow + np.log(w), mixture + np.log1p(-w)).mean()) for w in grid]
    assert flow_weight(flow, mixture) == pytest.approx(grid[int(np.argmax(values))], abs=2e-3)
    assert flow_weight(flow + 50, mixture) == pytest.approx(0.999)
    assert flow_weight(flow - 50, mixture) == pytest.approx(0.001)


def test_tensors_that_are_no_mixture_are_refused(fitted):
    tensors = fitted[0].tensors()
    again = Mixture.from_tensors(tensors, 2)
    assert torch.equal(again.log_prob(Z.double()), fitted[0].log_prob(Z.double()))
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
