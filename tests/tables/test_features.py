import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.stats import norm

from rheon.errors import ModelError
from rheon.tables.encoding import Encoding
from rheon.tables.features import Features
from rheon.tables.guessing import guess

N = 1000
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "word": ["a"] * 500 + ["b"] * 300 + ["c"] * 199 + ["rare"],
        "grade": np.repeat([1, 2, 3, 4], 250),
        "x": np.exp(RNG.normal(size=N)),
        "hole": pa.array(RNG.normal(size=N), mask=np.arange(N) < 100),
    }
)
ENCODING = Encoding(guess(TABLE))
ROWS = ENCODING.encode(TABLE)
FEATURES = Features.fit(ENCODING, ROWS.codes, ROWS.y)


def test_frequent_levels_are_told_apart_and_rare_ones_are_not():
    word = FEATURES.codes[0]
    assert word.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]  # a, b, c, rare, never seen


def test_levels_with_an_order_have_a_rank_too():
    grade = FEATURES.codes[1]
    assert grade[:, :-1].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert grade[:4, -1].tolist() == pytest.approx(norm.ppf([0.125, 0.375, 0.625, 0.875]), abs=1e-4)
    assert grade[4, -1] == 0


def test_numbers_have_the_rank_of_a_normal():
    g = FEATURES.of(ROWS.codes, ROWS.y)
    assert g.shape == (N, FEATURES.width)
    ranks = norm.ppf((np.argsort(np.argsort(TABLE["x"])) + 0.5) / N)
    assert np.abs(g[:, -2].numpy() - ranks.clip(-3, 3)).max() < 0.2
    assert bool((g[:100, -1] == 0).all())
    assert g[100:, -1].std() == pytest.approx(1, abs=0.05)


def test_a_value_that_many_rows_share_has_the_middle_of_them():
    tied = Features(
        [], torch.from_numpy(np.quantile([0.0] * 80 + [1.0] * 20, norm.cdf(np.linspace(-3, 3, 65))))[None]
    )
    g = tied.of(np.empty((2, 0), np.int64), np.array([[0.0], [1.0]]))
    assert g[:, 0].tolist() == pytest.approx([(-3 + norm.ppf(0.8)) / 2, (norm.ppf(0.8) + 3) / 2], abs=0.05)


def test_they_go_through_their_tensors():
    tensors = FEATURES.tensors()
    again = Features.from_tensors(tensors, ENCODING)
    assert torch.equal(again.of(ROWS.codes, ROWS.y), FEATURES.of(ROWS.codes, ROWS.y))
    for broken in (
        {**tensors, "knots": tensors["knots"].flip(1)},
        {**tensors, "codes0": tensors["codes0"][:2]},
        {name: tensor for name, tensor in tensors.items() if name != "codes1"},
    ):
        with pytest.raises(ModelError):
            Features.from_tensors(broken, ENCODING)
