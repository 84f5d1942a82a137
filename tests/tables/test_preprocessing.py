"""Preprocessing: normal columns out of any, the same bits in any units, exact both ways."""

import numpy as np
import pytest
import torch

from rheon.errors import DataError, ModelError
from rheon.tables.preprocessing import Preprocessing, rounded, standardising

RNG = np.random.default_rng(0)
A = RNG.normal(size=4000)
ROWS = torch.from_numpy(
    np.stack(
        [
            np.exp(A + 0.3 * RNG.normal(size=4000)),
            A,
            RNG.standard_cauchy(4000),
            RNG.random(4000) + (A > 0) * 5,
        ],
        1,
    )
)


@pytest.fixture(scope="module")
def fitted() -> Preprocessing:
    return Preprocessing.fit(ROWS)


def test_columns_become_normal_and_uncorrelated(fitted):
    z, _ = fitted.forward(ROWS)
    np.testing.assert_allclose(np.cov(z.numpy().T), np.eye(4), atol=0.02)
    t = fitted.layers[2](fitted.layers[1](fitted.layers[0](ROWS)[0])[0])[0]
    for column in t.T:
        ranked = column.sort().values
        shares = torch.special.ndtr(ranked)
        assert (shares - (torch.arange(4000) + 0.5) / 4000).abs().max() < 0.03  # Kolmogorov-Smirnov


def test_a_standard_normal_in_z_is_a_density_of_the_rows(fitted):
    # The mean of log p of a Cauchy column is -log 4π.
    one = Preprocessing.fit(ROWS[:, 2:3])
    z, log_det = one.forward(ROWS[:, 2:3])
    log_p = log_det - z[:, 0] ** 2 / 2 - 0.5 * np.log(2 * np.pi)
    assert float(log_p.mean()) == pytest.approx(-np.log(4 * np.pi), abs=0.08)


def test_inverse_takes_it_back(fitted):
    z, _ = fitted.forward(ROWS)
    torch.testing.assert_close(fitted.inverse(z), ROWS, rtol=1e-9, atol=1e-9)


def test_other_units_and_another_order_give_the_same_bits(fitted):
    order, factors = [2, 0, 3, 1], torch.tensor([1e6, 3e-6, 7.0, 0.1], dtype=torch.float64)
    shifts = torch.tensor([0.0, 1e-6, -20.0, 3.0], dtype=torch.float64)
    changed = ROWS[:, order] * factors + shifts
    other = Preprocessing.fit(changed)
    assert torch.equal(other.training_rows(changed), fitted.training_rows(ROWS))
    mine, its = fitted.tensors(), other.tensors()
    for name in ("knots", "tails", "centre", "whitening"):
        assert torch.equal(mine[name], its[name])
    log_det = other.forward(changed)[1] + factors.log().sum()
    torch.testing.assert_close(log_det, fitted.forward(ROWS)[1], rtol=0, atol=1e-9)


def test_few_rows_are_taken_as_normal():
    few = Preprocessing.fit(torch.from_numpy(RNG.normal(size=(30, 2))))
    assert few.layers[2].x.shape[1] <= 4


def test_a_value_repeated_a_million_times_is_no_infinite_density():
    spiked = torch.cat((torch.zeros(9000, dtype=torch.float64), torch.linspace(0, 100, 1000).double()))
    fitted = Preprocessing.fit(spiked[:, None])
    z, log_det = fitted.forward(spiked[:, None])
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()


def test_rounding_forgets_the_last_bits_only():
    u = torch.tensor([0.1, 1e5 / 3, -1e12 / 3], dtype=torch.float64)
    assert torch.equal(rounded(u), rounded(u * (1 + 1e-14)))
    torch.testing.assert_close(rounded(u), u, rtol=1e-8, atol=2.0**-18)


def test_a_constant_column_is_refused():
    with pytest.raises(DataError, match="column 2 does not vary"):
        Preprocessing.fit(torch.tensor([[0.0, 1.0], [1.0, 1.0]], dtype=torch.float64))


def test_tensors_build_it_again_and_others_are_refused(fitted):
    again = Preprocessing.from_tensors(fitted.tensors())
    assert all(torch.equal(a, b) for a, b in zip(again.forward(ROWS), fitted.forward(ROWS), strict=True))
    for name, wrong in {
        "order": torch.tensor([0, 0, 1, 2]),
        "knots": torch.zeros(3, 4, 2, dtype=torch.float64),
        "scale": -torch.ones(4, dtype=torch.float64),
        "whitening": torch.zeros(4, 4, dtype=torch.float64),
        "tails": torch.zeros(3, 2, dtype=torch.float64),
        "mean": torch.zeros(4),
    }.items():
        with pytest.raises(ModelError):
            Preprocessing.from_tensors({**fitted.tensors(), name: wrong})
    with pytest.raises(ModelError, match="lack"):
        Preprocessing.from_tensors({})


def test_standardising_is_a_line_in_each_column():
    z, log_det = standardising(torch.tensor([1.0]).double(), torch.tensor([2.0]).double()).forward(
        torch.tensor([[5.0], [-31.0]]).double()
    )
    assert z.flatten().tolist() == [2.0, -16.0]
    torch.testing.assert_close(log_det, torch.full((2,), -np.log(2.0)).double())
