"""Numbers: rows of real numbers, of which one may be unknown in a row that is scored."""

import numpy as np
import pytest
import torch

from rheon.tables.continuous import Continuous
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.numbers import Numbers
from rheon.tables.schema import Column, Schema
from rheon.training import Settings

RNG = np.random.default_rng(0)
A = RNG.normal(size=400)
ROWS = np.stack([np.exp(A), A + RNG.normal(size=400)], 1)
SCHEMA = Schema((Column("a", "continuous", low=0.2), Column("b", "continuous")))


def encoded(y: np.ndarray) -> Encoded:
    return Encoded(np.empty((len(y), 0), dtype=np.int64), y, np.isnan(y))


@pytest.fixture(scope="module")
def density() -> Numbers:
    density = Numbers(Encoding(SCHEMA), Continuous("realnvp"))
    for _ in density.training(encoded(ROWS), None, Settings(steps=40, threads=1)):
        pass
    return density


def test_an_unknown_number_is_integrated_out(density):
    line = np.linspace(-12, 12, 8001)
    for a in (0.5, 1.0, 4.0):
        whole = density.log_prob(encoded(np.stack([np.full_like(line, a), line], 1)))
        marginal = density.log_prob(encoded(np.array([[a, np.nan], [a, 0.0]])))
        assert marginal[0] == pytest.approx(np.log(np.trapezoid(np.exp(whole), line)), abs=1e-3)
        assert marginal[1] == pytest.approx(whole[4000], abs=1e-6)


def test_samples_stay_within_the_bounds(density):
    codes, y = density.sample(2000, None, 1.0, torch.Generator().manual_seed(0))
    free = density.continuous.sample(2000, generator=torch.Generator().manual_seed(0)).numpy()
    assert codes.shape == (2000, 0)
    assert free[:, 0].min() < 0.2 <= y[:, 0].min()
    good = free[:, 0] >= 0.2
    assert np.array_equal(y[good], free[good]), "what is within is not drawn again"


def test_files_give_the_same_bits(density):
    tensors = {name: tensor.clone() for name, tensor in density.tensors().items()}
    again = Numbers.from_files(density.encoding, density.config(), tensors)
    assert np.array_equal(again.log_prob(encoded(ROWS)), density.log_prob(encoded(ROWS)))
    assert again.round_trip_error(encoded(ROWS)) < 1e-4
