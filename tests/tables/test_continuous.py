"""Continuous: members that learn from what they are not judged by, one exact density of all of them."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from rheon.architectures import realnvp
from rheon.errors import DataError, ModelError, RheonError
from rheon.evaluation import integral
from rheon.tables import continuous
from rheon.tables.continuous import Continuous
from rheon.training import Checkpoints, Settings

RNG = np.random.default_rng(0)
A = RNG.normal(size=600)
ROWS = np.stack([A**2 + 0.3 * RNG.normal(size=600), A], 1)
SETTINGS = Settings(steps=30, threads=1, learning_rate=5e-3, batch_size=128)


def learned(rows=ROWS, context=None, settings=SETTINGS, checkpoints=None, **how) -> Continuous:
    density = Continuous(**how)
    for _ in density.training(rows, context, settings, checkpoints):
        pass
    return density


@pytest.fixture(scope="module")
def density() -> Continuous:
    return learned()


def test_it_integrates_to_one(density):
    box = [(float(low) - 3, float(high) + 3) for low, high in zip(ROWS.min(0), ROWS.max(0), strict=True)]
    assert integral(density.log_prob, box, tolerance=2e-3) == pytest.approx(1, abs=5e-3)


def test_log_prob_is_that_of_members_and_mixtures(density):
    y = torch.from_numpy(ROWS)
    z, log_det = density.preprocessing.forward(y)
    with torch.no_grad():
        members = torch.stack([flow(z.float()).double().exp() for flow in density.flows]).mean(0)
    beside = density.floor.log_prob(y, z, log_det).exp()
    mixed = density.weight * members * log_det.exp() + (1 - density.weight) * beside
    torch.testing.assert_close(density.log_prob(ROWS), mixed.log(), rtol=1e-5, atol=1e-5)


def test_far_rows_are_finite_and_less_and_less_likely(density):
    far = np.array([[10.0**k, -(10.0**k)] for k in range(1, 13)])
    scores = density.log_prob(far)
    assert torch.isfinite(scores).all()
    assert (scores.diff() < 0).all()


def test_samples_come_from_the_density(density):
    draws = density.sample(20_000, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(draws.mean(0), ROWS.mean(0), atol=0.15)
    # E_p[log p] is about the same over samples and, since the model fits, over the rows.
    assert float(density.log_prob(draws).mean()) == pytest.approx(
        float(density.log_prob(ROWS).mean()), abs=0.25
    )


def test_many_rows_are_one_flow_judged_by_a_tenth(monkeypatch):
    monkeypatch.setattr(continuous, "MANY", 500)
    density = learned(settings=Settings(steps=2, threads=1))
    assert len(density.flows) == 1
    assert density.rows == (540, 60)


def test_a_change_of_units_and_of_order_changes_nothing_but_the_unit(density):
    factors, shifts = np.array([3e-6, 1e6]), np.array([1e-5, -3e6])
    changed = ROWS[:, ::-1] * factors + shifts
    other = learned(changed)
    for mine, its in zip(density.flows, other.flows, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(mine.parameters(), its.parameters(), strict=True))
    torch.testing.assert_close(
        other.log_prob(changed) + np.log(factors).sum(), density.log_prob(ROWS), rtol=0, atol=1e-6
    )


def test_given_a_context_it_is_a_density_of_the_others():
    rows, context = ROWS[:, :1], ROWS[:, 1:]
    density = learned(rows, context, Settings(steps=150, threads=1, learning_rate=1e-2))
    at = np.linspace(-20, 40, 30_001)[:, None]
    log_p = density.log_prob(at, np.full_like(at, 1.0))
    assert float(np.trapezoid(log_p.exp().numpy(), at[:, 0])) == pytest.approx(1, abs=2e-3)
    draws = density.sample(2000, np.full((2000, 1), 2.0), generator=torch.Generator().manual_seed(0))
    assert float(draws.median()) == pytest.approx(4, abs=1)
    with pytest.raises(RheonError, match="context is missing"):
        density.log_prob(rows)


def test_files_give_the_same_bits(density):
    tensors = {name: tensor.clone() for name, tensor in density.tensors().items()}
    again = Continuous.from_files(density.config(), tensors)
    assert torch.equal(again.log_prob(ROWS), density.log_prob(ROWS))
    with pytest.raises(ModelError, match="weight"):
        Continuous.from_files({**density.config(), "flow_weight": 1.0}, tensors)
    with pytest.raises(ModelError, match="members"):
        Continuous.from_files({**density.config(), "members": 10**9}, tensors)
    with pytest.raises(ModelError, match="not those of the flows"):
        Continuous.from_files({**density.config(), "members": 4}, tensors)


def test_a_run_that_goes_on_is_the_same_to_the_bit(density, tmp_path):
    first = Checkpoints(tmp_path / "c", tell=str)
    stopped = Continuous().training(ROWS, None, SETTINGS, first)
    for _ in range(11):
        next(stopped)
    first.save()
    stopped.close()
    again = learned(checkpoints=Checkpoints(tmp_path / "c", tell=str))
    assert torch.equal(again.log_prob(ROWS), density.log_prob(ROWS))


def test_a_flow_of_ones_own_stands_alone():
    density = learned(settings=Settings(steps=3, threads=1), architecture=lambda d: realnvp(d, couplings=2))
    assert len(density.flows) == 1
    assert density.floor is None
    assert density.weight == 1
    with pytest.raises(RheonError, match="known for tables"):
        Continuous("glow")


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(DataError, match="too few"):
        learned(ROWS[:9])
    with pytest.raises(RheonError, match="shape"):
        learned(ROWS[:, 0])
    with pytest.raises(RheonError, match="nothing yet"):
        Continuous().log_prob(ROWS)


def test_few_rows_in_clusters_are_learned_as_by_a_mixture():
    centres, shape = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 5.0]]), np.array([[1, 0.8], [0.8, 1]])
    which = RNG.integers(0, 3, 2300)
    rows = centres[which] + RNG.multivariate_normal([0, 0], shape, 2300)
    density = learned(rows[:300], settings=Settings(steps=1, threads=1))
    truth = sum(multivariate_normal(centre, shape).pdf(rows[300:]) / 3 for centre in centres)
    assert float(density.log_prob(rows[300:]).mean()) > np.log(truth).mean() - 0.07
