import datetime

import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import DataError
from rheon.tables.guessing import guess, guess_column

RNG = np.random.default_rng(0)
N = 1000


def column(values, name="x"):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return guess_column(name, pa.chunked_array([array]))


DAY = datetime.date(2020, 1, 1)

KINDS = {
    "real numbers": (RNG.normal(size=N), "continuous"),
    "tenths": (RNG.normal(170, 10, N).round(1), "stepped"),
    "float32": (RNG.normal(170, 10, N).round(1).astype(np.float32), "stepped"),
    "parts of 255": (RNG.integers(0, 256, N) / 255, "stepped"),
    "many whole numbers": (RNG.integers(0, 10**6, N), "integer"),
    "whole numbers kept as floats": (RNG.integers(0, 300, N).astype(float), "integer"),
    "few whole numbers": (RNG.integers(0, 10, N), "ordinal"),
    "zero or one": (RNG.integers(0, 2, N), "ordinal"),
    "few numbers": (RNG.integers(0, 10, N) / 7, "ordinal"),
    "truth": (RNG.integers(0, 2, N).astype(bool), "boolean"),
    "words": (RNG.choice(["a", "b", "c"], N), "categorical"),
    "dictionary": (pa.array(RNG.choice(["a", "b", "c"], N)).dictionary_encode(), "categorical"),
    "names": ([f"row {i}" for i in range(N)], "id"),
    "texts": ([f"text {i // 2}" for i in range(N)], "text"),
    "long texts": (["x" * 300, "y"] * 500, "text"),
    "row numbers": (np.arange(N), "id"),
    "one value": (np.ones(N), "constant"),
    "one word": (["a"] * N, "constant"),
    "nothing": (pa.nulls(N), "empty"),
    "not a number": (np.full(N, np.nan), "empty"),
    "dates": ([DAY + datetime.timedelta(int(d)) for d in RNG.integers(0, 3000, N)], "datetime"),
    "times": (RNG.integers(0, 10**9, N).astype("datetime64[s]"), "datetime"),
    "lists": ([[1], [2]] * 500, "text"),
    "beyond float64": ([2**60 + 7 * i for i in range(N)], "integer"),
    "far beyond": ([i * 2**54 for i in range(-N // 2, N // 2)], "id"),
    "huge": (10.0 ** RNG.uniform(-300, 300, N), "continuous"),
    "subnormal": (RNG.normal(size=N) * 5e-320, "continuous"),
}


@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS.keys())
def test_kinds(values, kind):
    assert column(values).kind == kind


def test_a_column_that_numbers_rows_by_its_name():
    values = RNG.permutation(10**6)[:N]
    assert column(values).kind == "integer"
    for name in ("id", "Customer_ID", "userId", "row index"):
        assert column(values, name).kind == "id"
    for name in ("paid", "width", "Madrid"):
        assert column(values, name).kind == "integer"


def test_steps():
    assert column(RNG.normal(170, 10, N).round(1)).step == 0.1
    assert column(RNG.integers(1, 400, N) * 25).step == 25
    assert column(RNG.integers(0, 256, N) / 255).step == pytest.approx(1 / 255)
    shifted = (RNG.integers(0, 200, N) * 0.1 - 8.31963).round(5)
    assert column(shifted).step == pytest.approx(0.1, rel=1e-5)
    assert column([DAY + datetime.timedelta(int(d) * 7) for d in RNG.integers(0, 3000, N)]).step == 7
    assert column(RNG.normal(size=N)).step == 0
    late = RNG.normal(size=N).round(6)
    assert (column(late).kind, column(late).step) == ("continuous", 1e-6)  # too fine to have probabilities


def test_atoms_are_values_far_above_their_neighbours():
    values = RNG.normal(10, 2, N)
    values[:300], values[300:350] = 0, 15.25
    assert column(values).atoms == (0.0, 15.25)
    hours = np.concatenate((RNG.integers(1, 4000, 700), np.full(300, 40)))
    assert column(hours).atoms == (40,)
    assert column(np.repeat(RNG.normal(size=100), 10)).atoms == ()  # all come ten times
    assert column(RNG.normal(0, 30, N).round()).atoms == ()  # the middle of a bell is no atom


def test_bounds():
    def ends(values):
        found = column(values)
        return found.low, found.high

    assert ends(RNG.normal(size=N)) == (None, None)
    assert ends(RNG.gamma(2, size=N)) == (0, None)
    assert ends(RNG.uniform(size=N)) == (0, 1)
    capped = np.minimum(RNG.gamma(2, size=N), 3.5)
    assert ends(capped) == (0, 3.5)
    assert ends(np.array([12, 900, 345] + [500 + i for i in range(N)])) == (12, 500 + N - 1)


def test_missing_shares():
    assert column([1.5, None, np.nan, 2.25] * 10).missing == 0.5
    assert column(["a", None, "b", "a"] * 10).missing == 0.25
    assert column(["a", None] * 10).kind == "categorical"  # that it is there is information
    assert column(pa.array([None, 3] * 30, pa.int64())).kind == "ordinal"


def test_what_cannot_be_is_an_error_with_its_row():
    with pytest.raises(DataError, match="column 'x' has 1 infinite values, the first in row 3"):
        column([1.0, 2.0, np.inf])
    with pytest.raises(DataError, match=r"column 'x' reaches from -1e\+308 to 1.1e\+308: further"):
        column([-1e308, 1.1e308] * 100 + list(RNG.normal(size=200)))


def test_a_kind_can_be_said():
    def said(values, kind):
        return guess_column("x", pa.chunked_array([pa.array(values)]), kind)

    assert said([1, 2, 3] * 10, "integer").step == 1
    assert said([1, 2, 3] * 10, "continuous").kind == "continuous"
    assert said([1, 2, 3] * 10, "categorical").categories == (1, 2, 3)
    with pytest.raises(DataError, match="is text; it cannot be integer"):
        said(["a", "b"], "integer")
    with pytest.raises(DataError, match="lies on no grid"):
        said(RNG.normal(size=50), "stepped")


def test_the_order_of_rows_does_not_matter():
    table = pa.table({"a": RNG.normal(size=N).round(2), "b": RNG.choice(["x", "y"], N)})
    assert guess(table.take(RNG.permutation(N))) == guess(table)
