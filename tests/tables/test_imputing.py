"""Draws of unknown cells, against distributions that are known."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2, kstest

from rheon.tables import TableDensity
from rheon.tables.encoding import Encoded
from rheon.tables.imputing import Imputing
from rheon.training import Settings

N = 600
MEAN, COVARIANCE = np.array([1.0, -2.0, 100.0]), np.array([[1, 0.8, 0.3], [0.8, 1, 0.5], [0.3, 0.5, 1]])


@pytest.fixture(scope="module")
def normal():
    rows = np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, 3000)
    return TableDensity().fit(
        rows, settings=Settings(steps=150, batch_size=512, learning_rate=0.01, threads=1)
    )


def standard(drawn, rows, unknown):
    """What should be standard normal: the drawn numbers by their conditional mean and covariance."""
    known = [j for j in range(3) if j not in unknown]
    slope = np.linalg.solve(COVARIANCE[np.ix_(known, known)], COVARIANCE[np.ix_(known, unknown)])
    mean = MEAN[unknown] + (rows[:, known] - MEAN[known]) @ slope
    covariance = COVARIANCE[np.ix_(unknown, unknown)] - COVARIANCE[np.ix_(unknown, known)] @ slope
    return np.linalg.solve(np.linalg.cholesky(covariance), (drawn[:, unknown] - mean).T)


@pytest.mark.parametrize("unknown", [[0], [1], [2], [0, 1], [0, 2], [0, 1, 2]])
def test_draws_of_a_normal_table_have_its_conditional_distribution(normal, unknown):
    rows = np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, N)
    holes = np.zeros(rows.shape, dtype=bool)
    holes[:, unknown] = True
    encoded = Encoded(np.empty((N, 0), np.int64), np.where(holes, np.nan, rows), holes)
    drawn = Imputing(normal.learned, None).draw(encoded, 2, seed=0)
    assert np.isinf(drawn.effective).all() if len(unknown) == 1 else (drawn.effective > 200).all()
    for draw in drawn.y:
        assert np.array_equal(draw[~holes], rows[~holes])
        for z in standard(draw, rows, unknown):
            assert kstest(z, "norm").statistic < 0.09  # chance exceeds it once in ten thousand
    z = standard(drawn.y[0], rows, unknown)
    assert np.abs(np.corrcoef(z) - np.eye(len(z))).max() < 0.15
    assert not np.array_equal(drawn.y[0], drawn.y[1])


def test_the_same_seed_gives_the_same_draws(normal):
    rows = np.array([[1.0, np.nan, 100.0], [np.nan, np.nan, 99.0]])
    first, again, other = (normal.impute(rows, draws=3, seed=seed).table for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def mixed_rows(seed=0, n=1000):
    rng = np.random.default_rng(seed)
    word = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    truth = rng.random(n) < np.select([word == "a", word == "b"], [0.2, 0.5], 0.9)
    length = rng.normal(np.where(truth, 2.0, -1.0), 0.5)
    income = np.where(rng.random(n) < 0.4, 0.0, 1 + rng.gamma(3, np.where(word == "a", 1.0, 2.0)))
    count = rng.poisson(300 + 20 * length)
    return pa.table(
        {
            "word": word,
            "truth": pa.array(truth, mask=rng.random(n) < 0.1),
            "length": length,
            "income": income,
            "count": count,
        }
    )


@pytest.fixture(scope="module")
def mixed():
    return TableDensity().fit(mixed_rows(), settings=Settings(steps=100, learning_rate=0.01, threads=1))


def one_row(model, **changed):
    """One row many times, and some of its columns as said."""
    row = {"word": "a", "truth": False, "length": -0.8, "income": 3.0, "count": 285} | changed
    types = {"word": pa.string(), "truth": pa.bool_(), "count": pa.int64()}
    return pa.table({n: pa.array([v], types.get(n, pa.float64())) for n, v in row.items()})


def test_unknown_codes_come_as_often_as_their_joint_probability_says(mixed):
    words, truths = ["a", "b", "c"], [False, True]
    table = one_row(mixed, word=None, truth=None)
    log_p = [mixed.log_prob(one_row(mixed, word=w, truth=t), draws=16)[0] for w in words for t in truths]
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    found = mixed.impute(table, draws=3000, seed=1)
    assert np.isinf(found.effective).all()
    drawn = zip(found.table["word"].to_pylist(), found.table["truth"].to_pylist(), strict=True)
    counts = np.bincount([2 * words.index(word) + truth for word, truth in drawn], minlength=6)
    assert ((counts - 3000 * p) ** 2 / (3000 * p)).sum() < chi2.ppf(0.999, 5) + 10


@pytest.mark.parametrize("also", [{}, {"word": None}, {"length": None}])
def test_an_atom_and_numbers_come_as_the_density_says(mixed, also):
    """By sums and the trapezoidal rule over everything that is unknown; with two numbers, by importance."""
    line = np.linspace(-2, 40, 601)
    words = ["a", "b", "c"] if "word" in also else ["a"]
    lengths = np.linspace(-4, 5, 37) if "length" in also else [-0.8]
    total = {"atom": 0.0}
    below = np.zeros(len(line))
    for word in words:
        for length in lengths:
            n = len(line)
            table = pa.table(
                {
                    "word": [word] * n,
                    "truth": [False] * n,
                    "length": np.full(n, length),
                    "income": line,
                    "count": [285] * n,
                }
            )
            p = np.exp(mixed.log_prob(table))
            below += np.concatenate(([0], np.cumsum((p[1:] + p[:-1]) / 2 * np.diff(line))))
            total["atom"] += np.exp(mixed.log_prob(one_row(mixed, word=word, length=length, income=0.0))[0])
    share = total["atom"] / (total["atom"] + below[-1])
    found = mixed.impute(one_row(mixed, income=None, **also), draws=3000, seed=2)
    assert np.isinf(found.effective).all() == ("length" not in also)
    income = found.table["income"].to_numpy()
    assert (income == 0).mean() == pytest.approx(share, abs=0.03)
    most = 2 / min(found.effective[0], len(income)) ** 0.5
    assert kstest(income[income != 0], lambda x: np.interp(x, line, below / below[-1])).statistic < most


def test_no_draw_is_missing_or_beyond_what_can_be(mixed):
    table = mixed_rows(3, 200)
    holes = pa.table(
        {
            n: pa.array(c.to_pylist(), mask=np.arange(200) % 2 == 0)
            for n, c in zip(table.column_names, table.columns, strict=True)
        }
    ).cast(table.schema)
    found = mixed.impute(holes, seed=4)
    filled = found.table
    assert all(column.null_count == 0 for column in filled.columns)
    assert filled.schema == table.schema
    count, income = filled["count"].to_numpy(), filled["income"].to_numpy()
    known = mixed.schema["count"]
    assert known.low <= count.min()
    assert count.max() <= known.high
    assert ((income == 0) | (income > 0)).all()
    assert set(filled["word"].to_pylist()) == {"a", "b", "c"}
    effective = found.effective[::2]
    assert np.isfinite(effective).all()
    assert (effective > 20).all()


def test_codes_that_are_too_many_to_sum_over_are_weighted():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 4, 800)
    table = pa.table(
        {f"c{j}": np.where(rng.random(800) < 0.8, kind, rng.integers(0, 4, 800)) for j in range(9)}
    )
    model = TableDensity().fit(table, settings=Settings(steps=80, learning_rate=0.01, threads=1))
    row = pa.table({n: pa.array([2 if n == "c0" else None], pa.int64()) for n in table.column_names})
    found = model.impute(row, draws=2000, seed=0)
    assert 100 < found.effective[0] < 4097
    of_twos = table.filter(pa.compute.equal(table["c0"], 2))
    for name in table.column_names[1:]:
        drawn, seen = (np.bincount(t[name].to_numpy(), minlength=4) / len(t) for t in (found.table, of_twos))
        assert np.abs(drawn - seen).max() < 0.15


def test_what_is_given_is_heeded():
    rng = np.random.default_rng(0)
    x = rng.choice(["up", "down"], 1000)
    y = np.where(x == "up", 5.0, -5.0) + rng.normal(size=1000)
    table = pa.table({"x": x, "y": y, "z": y + rng.normal(size=1000)})
    model = TableDensity(given=["x"]).fit(table, settings=Settings(steps=80, threads=1, learning_rate=0.01))
    holes = pa.table(
        {"x": ["up", "down"] * 50, "y": pa.nulls(100, pa.float64()), "z": pa.nulls(100, pa.float64())}
    )
    y = model.impute(holes, seed=0).table["y"].to_numpy()
    assert y[::2].mean() == pytest.approx(5, abs=0.6)
    assert y[1::2].mean() == pytest.approx(-5, abs=0.6)
