"""The floor beside the flow: a stack of mixtures whose weights are those that EM would find."""

import numpy as np
import pytest
import torch

from rheon.errors import ModelError
from rheon.tables import floor as module
from rheon.tables.floor import Floor, flow_weight, stacked
from rheon.tables.folds import fold_of_each
from rheon.tables.preprocessing import Preprocessing

RNG = np.random.default_rng(0)
Y = torch.from_numpy(
    np.where(RNG.random((600, 1)) < 0.4, 50.0, 80.0) + RNG.gamma(3.0, size=(600, 2)) * [1.0, 3.0]
)
FOLD = fold_of_each(600, 0, 5)
SPACES = [Preprocessing.fit(Y), Preprocessing.fit(Y, curved=False)]


@pytest.fixture(scope="module")
def fitted() -> tuple[Floor, torch.Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_sizes", lambda *_: [1, 4, 16])
        patch.setattr(module, "_KEPT", 99)  # of both spaces
        return Floor.fit(Y, SPACES, FOLD, seed=0)


def log_prob(floor: Floor, y: torch.Tensor) -> torch.Tensor:
    return floor.log_prob(y, *floor.first.forward(y))


def test_it_is_a_density_in_the_rows_own_units(fitted):
    floor, _ = fitted
    assert len(floor.spaces) == 2
    x = torch.linspace(40, 125, 400, dtype=torch.float64)
    grid = torch.cartesian_prod(x, x)
    assert float(log_prob(floor, grid).exp().sum()) * float(x[1] - x[0]) ** 2 == pytest.approx(1, abs=0.01)


def test_rows_are_judged_by_what_has_not_learned_from_them(fitted):
    floor, held_out = fitted
    order = torch.cat([(f == FOLD).nonzero()[:, 0] for f in range(5)])
    ours = log_prob(floor, Y)[order]
    assert float(held_out.mean()) < float(ours.mean()) < float(held_out.mean()) + 0.3
    assert np.corrcoef(held_out, ours)[0, 1] > 0.9, "rows and rows are paired"


def test_a_stack_is_better_than_each_of_its_mixtures(fitted, monkeypatch):
    _, held_out = fitted
    for k in (1, 4, 16):
        monkeypatch.setattr(module, "_sizes", lambda *_, k=k: [k])
        monkeypatch.setattr(module, "_KEPT", 1)
        assert float(Floor.fit(Y, SPACES, FOLD, seed=0)[1].mean()) < float(held_out.mean())


def test_samples_are_of_the_density(fitted):
    draws = fitted[0].sample(20_000, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.mean(0), Y.mean(0), rtol=0, atol=0.6)
    np.testing.assert_allclose(np.cov(draws.T.numpy()), np.cov(Y.T.numpy()), rtol=0.05)
    assert fitted[0].sample(0, 1.0, torch.Generator()).shape == (0, 2)


def test_of_many_rows_to_score_it_has_few_components():
    floor, held_out = Floor.fit(Y, SPACES[:1], fold_of_each(600, 0, 1), 0, many=True)
    assert len(held_out) == 60
    assert sum(len(mixture.weights) for mixture in floor.mixtures) <= module._COMPONENTS


def test_stacked_weights_are_those_of_em():
    log_p = torch.from_numpy(RNG.normal(size=(3, 200)))
    weights = torch.full((3,), 1 / 3).double()
    for _ in range(30):
        joint = weights.unsqueeze(1) * log_p.exp()
        weights = (joint / joint.sum(0)).mean(1)
    torch.testing.assert_close(stacked(log_p), weights)
    assert stacked(torch.tensor([[0.0, 0.0], [-50.0, -50.0]])).tolist() == pytest.approx([1, 0])


@pytest.mark.parametrize(
    ("work", "learn", "sizes"),
    [
        (1e6, 800, [1, 2, 4, 8, 16, 32, 64, 3, 6, 12, 24, 48, 96]),
        (1e6, 30, [1, 2, 4, 3]),
        (35 * 10.0, 800, [1, 2, 4, 3]),
        (1.0, 800, [1]),
    ],
)
def test_few_rows_or_little_work_are_few_sizes(work, learn, sizes):
    assert module._sizes(work, 5, learn) == sizes


def test_the_weight_maximises_the_likelihood():
    flow, mixture = torch.from_numpy(RNG.normal(size=(2, 400)))
    grid = np.linspace(0.001, 0.999, 999)
    values = [float(torch.logaddexp(flow + np.log(w), mixture + np.log1p(-w)).mean()) for w in grid]
    assert flow_weight(flow, mixture) == pytest.approx(grid[int(np.argmax(values))], abs=2e-3)
    assert flow_weight(flow + 50, mixture) == pytest.approx(0.999)
    assert flow_weight(flow - 50, mixture) == pytest.approx(0.001)


def test_tensors_that_are_no_floor_are_refused(fitted):
    tensors = fitted[0].tensors()
    again = Floor.from_tensors({name: t.clone() for name, t in tensors.items()}, SPACES[0])
    assert torch.equal(log_prob(again, Y), log_prob(fitted[0], Y))
    for wrong in ({"shares": tensors["shares"] * 2}, {"shares": torch.ones(9) / 9}, {"mixture0.means": Y}):
        with pytest.raises(ModelError):
            Floor.from_tensors({**tensors, **wrong}, SPACES[0])
    with pytest.raises(ModelError, match="lack"):
        Floor.from_tensors({}, SPACES[0])
    other = Preprocessing.fit(torch.cat((Y, Y[:, :1] ** 2), 1))
    with pytest.raises(ModelError):
        Floor.from_tensors(tensors, other)
