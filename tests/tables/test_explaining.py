"""The surprisal of cells, against scipy's quadrature and against sums over all levels."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.integrate import simpson

from rheon.tables import TableDensity
from rheon.tables.explaining import explain
from rheon.training import Settings


def rows(n=800, seed=0):
    rng = np.random.default_rng(seed)
    word = rng.choice(["a", "b"], n, p=[0.7, 0.3])
    length = rng.normal(np.where(word == "a", 2.0, -1.0), 0.5)
    income = np.where(rng.random(n) < 0.4, 0.0, rng.gamma(3, 1.0, n) + 1)
    spare = pa.array(rng.normal(length), mask=rng.random(n) < 0.1)
    return pa.table({"word": word, "length": length, "income": income, "spare": spare})


@pytest.fixture(scope="module")
def model():
    return TableDensity().fit(rows(), settings=Settings(steps=80, learning_rate=0.01, threads=1))


def every_cell(model, table):
    """Surprisal and excess by column: (N,) each."""
    names = model.targets
    found = explain(model.learned, model.roles, table, len(names), 0)
    places = np.argsort(found.columns, axis=1)
    of = {name: k for k, name in enumerate(sorted(names))}
    told = [np.take_along_axis(each, places, 1) for each in (found.surprisal, found.excess)]
    return {name: (told[0][:, of[name]], told[1][:, of[name]]) for name in names}


def changed(table, row, name, values):
    """One row, many times, with other values in one column."""
    row = table.slice(row, 1)
    columns = {n: pa.array(row[n].to_pylist() * len(values), row[n].type) for n in row.column_names}
    return pa.table({**columns, name: pa.array(values, row[name].type)})


LINE = np.linspace(-12, 30, 6001)


def integral(model, table, row, name, function):
    return simpson(function(model.log_prob(changed(table, row, name, LINE))), x=LINE)


def p_log_p(log_p):
    return np.exp(log_p) * log_p


@pytest.mark.parametrize("name", ["length", "income", "spare"])
def test_numbers_by_quadrature_and_what_else_they_can_be(model, name):
    table = pa.table(
        {
            "word": ["a", "b", "a"],
            "length": [2.1, 2.1, 0.4],
            "income": [0.0, 2.5, 3.5],
            "spare": pa.array([2.0, None, 1.0]),
        }
    )
    found = every_cell(model, table)
    own = model.log_prob(table)
    others = {"length": [], "income": [0.0], "spare": [None]}[name]
    for row in range(len(table)):
        log_p = model.log_prob(changed(table, row, name, others)) if others else np.empty(0)
        total = integral(model, table, row, name, np.exp) + np.exp(log_p).sum()
        mean = (integral(model, table, row, name, p_log_p) + p_log_p(log_p).sum()) / total
        assert found[name][0][row] == pytest.approx(np.log(total) - own[row], abs=3e-3)
        assert found[name][1][row] == pytest.approx(mean - own[row], abs=5e-3)


def test_categories_by_their_sum_with_what_was_never_seen(model):
    table = rows(6, seed=1)
    found, own = every_cell(model, table), model.log_prob(table)
    log_p = np.stack([model.log_prob(table.set_column(0, "word", pa.array([w] * 6))) for w in "abz"])
    total = np.logaddexp.reduce(log_p, 0)
    share = np.exp(log_p - total)
    assert found["word"][0] == pytest.approx(total - own, abs=1e-5)
    assert found["word"][1] == pytest.approx((share * log_p).sum(0) - own, abs=1e-5)


def test_on_average_nothing_is_in_excess(model):
    """E s = H for rows of the model itself, whatever the column."""
    drawn = model.sample_table(120, seed=0)
    for name, (_, excess) in every_cell(model, drawn).items():
        assert abs(excess.mean()) < 4 * excess.std() / 120**0.5 + 0.02, name


def test_the_cell_that_was_changed_is_named_whatever_its_units():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 4))
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    units = np.array([1e6, 1e-6, 1.0, 100.0])
    settings = Settings(steps=100, learning_rate=0.01, threads=1)
    model = TableDensity().fit(x * units, settings=settings)
    odd = np.array([[0.0, 0.05, 7.0, 0.0], [0.0, 0.0, 0.0, -7.0]])
    found = model.explain(odd * units, columns=2)
    assert found.columns[:, 0].tolist() == ["x2", "x3"]
    assert found.columns.shape == found.surprisal.shape == (2, 2)
    # -log of the normal density of 7 is 25.4 nats, per unit of the column.
    assert found.excess[:, 0].min() > 5
    apart = model.explain(np.array([[1.0, -1.0, 0.0, 0.0]]) * units, columns=2)
    assert set(apart.columns[0]) == {"x0", "x1"}, "each is ordinary by itself, and not beside the other"


def test_rows_that_lack_something_are_told_and_it_is_not_blamed(model):
    table = pa.table(
        {
            "word": pa.array(["a", "a"]),
            "length": pa.array([9.0, 2.0]),
            "income": pa.array([2.0, None]),
            "spare": pa.array([2.0, 2.0]),
        }
    )
    found = model.explain(table, columns=4)
    assert found.approximate.tolist() == [False, True]
    assert found.columns[0, 0] == "length"
    assert found.columns[1, -1] == "income"
    assert found.excess[1, -1] == -np.inf
    assert np.isfinite(found.excess[1, :3]).all()


def test_given_columns_are_not_explained():
    table = rows(400)
    model = TableDensity(given=["word"]).fit(table, settings=Settings(steps=20, threads=1))
    found = model.explain(table.slice(0, 3), columns=9)
    assert set(found.columns.ravel()) == {"length", "income", "spare"}


def test_numbers_on_a_grid_have_the_surprisal_of_their_cell():
    """Counts that are Poisson given a truth value: P(k) by its formula."""
    rng = np.random.default_rng(0)
    truth = rng.random(2000) < 0.5
    table = pa.table({"truth": truth, "n": rng.poisson(np.where(truth, 400, 900))})
    model = TableDensity().fit(table, settings=Settings(steps=150, learning_rate=0.01, threads=1))
    some = pa.table({"truth": [True, True, False], "n": [400, 460, 900]})
    cells = every_cell(model, some)
    exact = [
        np.log((2 * np.pi * m) ** 0.5) + (k - m) ** 2 / 2 / m for k, m in ((400, 400), (460, 400), (900, 900))
    ]
    assert cells["n"][0] == pytest.approx(exact, abs=0.8)
    assert cells["n"][1] == pytest.approx([-0.5, 4.0, -0.5], abs=0.9)
