"""EM of many folds at once: a step of it, what it never looks at, and what it ends in."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from rheon.tables import annealing
from rheon.tables.annealing import annealed

RNG = np.random.default_rng(0)
Z = torch.from_numpy(np.where(RNG.random((300, 1)) < 0.4, -2.0, 1.0) + 0.5 * RNG.normal(size=(300, 2)))
LEARN = torch.stack([torch.arange(300) % 3 != k for k in range(3)])


def test_one_gaussian_has_the_moments_of_the_rows_of_its_fold(monkeypatch):
    monkeypatch.setattr(annealing, "STAGES", ((2.0, 0.1, 3),))
    (mixtures, _), *_ = annealed(Z, LEARN, 1, 0)
    for mixture, rows in zip(mixtures, LEARN, strict=True):
        torch.testing.assert_close(mixture.means[0], Z[rows].mean(0))
        covariance = torch.cov(Z[rows].T, correction=0) + 0.1 * torch.eye(2)  # shrunk to what it is itself
        torch.testing.assert_close(
            torch.linalg.inv(mixture.precisions[0] @ mixture.precisions[0].T), covariance
        )


def test_it_ends_where_scikit_learn_does(monkeypatch):
    monkeypatch.setattr(annealing, "STAGES", ((0.0, 1e-3, 200),))
    (mixtures, log_p), *_ = annealed(Z, LEARN, 2, 0)
    for fold, mixture in enumerate(mixtures):
        theirs = GaussianMixture(2, reg_covar=1e-3, tol=1e-9, max_iter=500, random_state=0)
        theirs.fit(Z[LEARN[fold]].numpy())
        np.testing.assert_allclose(log_p[fold], theirs.score_samples(Z.numpy()), atol=1e-3)
        torch.testing.assert_close(log_p[fold], mixture.log_prob(Z), rtol=0, atol=1e-9)


def test_much_shrinkage_gives_all_components_one_form(monkeypatch):
    monkeypatch.setattr(annealing, "STAGES", ((1e9, 1e-3, 5), (0.0, 1e-3, 5)))
    (one_form, _), (own_forms, _) = annealed(Z, LEARN, 2, 0)
    torch.testing.assert_close(one_form[0].precisions[0], one_form[0].precisions[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(own_forms[0].precisions[0], own_forms[0].precisions[1], rtol=1e-2)


@pytest.mark.parametrize("far", [100.0, 1e300])
def test_a_row_that_is_left_out_teaches_nothing(far):
    changed = Z.clone()
    changed[::3] = far  # all that the first fold leaves out
    for (mine, _), (its, _) in zip(annealed(Z, LEARN, 3, 0), annealed(changed, LEARN, 3, 0), strict=True):
        torch.testing.assert_close(mine[0].means, its[0].means)
        assert bool(torch.isfinite(its[1].precisions).all())
