"""TableDensity with columns that are given: p(the others | these)."""

import numpy as np
import pyarrow as pa
import pytest

import rheon
from rheon.errors import DataError, RheonError
from rheon.tables import TableDensity
from rheon.training import Settings

N = 1500
RNG = np.random.default_rng(0)
GROUP = RNG.choice(["a", "b"], N)
X = RNG.normal(size=N)
TABLE = pa.table({"group": GROUP, "x": X, "y": np.where(GROUP == "a", X, -X) + 0.2 * RNG.normal(size=N)})
SETTINGS = Settings(steps=250, learning_rate=0.01, threads=1)


@pytest.fixture(scope="module")
def number():
    return TableDensity(given=["group", "x"]).fit(TABLE, settings=SETTINGS)


def test_a_number_given_others(number):
    assert (number.targets, number.columns) == (("y",), ("group", "x", "y"))
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.2**2)
    assert number.log_prob(TABLE).mean() == pytest.approx(-entropy, abs=0.15)
    line = np.linspace(-6, 6, 2001)
    rows = pa.table({"group": ["b"] * len(line), "x": np.full(len(line), 0.7), "y": line})
    assert np.trapezoid(np.exp(number.log_prob(rows)), line) == pytest.approx(1, abs=1e-3)


def test_samples_for_given_rows(number):
    given = pa.table({"x": np.full(400, 1.5), "group": ["a", "b"] * 200})
    drawn = number.sample_table(400, given=given, seed=0)
    assert drawn.column_names == ["group", "x", "y"]
    assert drawn.select(["x", "group"]).equals(given)
    y = drawn["y"].to_numpy()
    assert np.median(y[::2]) == pytest.approx(1.5, abs=0.15)
    assert np.median(y[1::2]) == pytest.approx(-1.5, abs=0.15)
    with pytest.raises(RheonError, match="what is given is needed: rows with group, x"):
        number.sample_table(3)
    with pytest.raises(RheonError, match="3 rows are asked for, and 400 are given"):
        number.sample_table(3, given=given)


def test_a_category_given_numbers():
    model = TableDensity(given=["x", "y"]).fit(TABLE, settings=SETTINGS)
    both = [pa.table({"group": [g] * N, "x": TABLE["x"], "y": TABLE["y"]}) for g in "ab"]
    p = np.exp([model.log_prob(rows) for rows in both])
    assert p.sum(0) == pytest.approx(1, abs=2e-3)  # and what was never seen
    # By Bayes: the two densities of y are the normal ones by which it was drawn.
    fits = [-((TABLE["y"].to_numpy() - sign * X) ** 2) / 2 / 0.2**2 for sign in (1, -1)]
    bayes = (np.where(GROUP == "a", *fits) - np.logaddexp(*fits)).mean()
    assert model.log_prob(TABLE).mean() == pytest.approx(bayes, abs=0.08)


def test_it_goes_through_its_files(number, tmp_path):
    number.save(tmp_path / "m")
    loaded = rheon.load(tmp_path / "m")
    assert loaded.given == ("group", "x")
    assert np.array_equal(loaded.log_prob(TABLE), number.log_prob(TABLE))


def test_what_cannot_be_given(number):
    for given, message in ((["z"], "no column 'z'"), (["same"], "'same' cannot be given")):
        with pytest.raises(RheonError, match=message):
            TableDensity(given=given).fit(TABLE.append_column("same", pa.array([1] * N)), steps=1)
    with pytest.raises(DataError, match="no column is left to learn"):
        TableDensity(given=TABLE.column_names).fit(TABLE, steps=1)
    with pytest.raises(DataError, match="1 rows lack a value of what is given, the first of them row 2"):
        number.log_prob(pa.table({"group": ["a", "b"], "x": [0.5, None], "y": [0.5, 1.5]}))
    with pytest.raises(RheonError, match="are for tables"):
        rheon.fit(np.zeros((10, 4, 4), np.uint8), given=["x"])
