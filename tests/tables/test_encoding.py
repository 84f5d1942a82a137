import datetime

import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import DataError
from rheon.tables.encoding import UNKNOWN, Encoding
from rheon.tables.guessing import guess
from rheon.tables.schema import Column, Schema

RNG = np.random.default_rng(0)
N = 600


def holed(values, every=10):
    return pa.array([None if i % every == 0 else v for i, v in enumerate(values)])


def mixed():
    gain = RNG.normal(50, 10, N)
    gain[:200] = 0
    hours = RNG.integers(1, 90, N)
    hours[:200] = 40
    day = datetime.date(2020, 1, 1)
    return pa.table(
        {
            "word": holed(RNG.choice(["a", "b", "c"], N).tolist()),
            "truth": RNG.integers(0, 2, N).astype(bool),
            "grade": pa.array(RNG.integers(1, 6, N), pa.int8()),
            "height": holed(RNG.normal(170, 10, N).round(1).tolist()),
            "gain": gain,
            "hours": hours,
            "born": [day + datetime.timedelta(int(d)) for d in RNG.integers(0, 9000, N)],
            "when": pa.array(1000 * RNG.integers(0, 10**15, N), pa.timestamp("ns")),
            "weight": pa.array(RNG.normal(size=N), pa.float32()),
            "huge": 2**60 + RNG.integers(0, 10**6, N),
            "same": np.ones(N),
        }
    )


TABLE = mixed()
ENCODING = Encoding(guess(TABLE))


def test_rows_go_there_and_back():
    rows = ENCODING.encode(TABLE)
    back = ENCODING.decode(rows.codes, rows.y)
    assert back.column_names == TABLE.column_names[:-1]
    for name in back.column_names:
        assert back[name].type == TABLE[name].type
        assert back[name].to_pylist() == TABLE[name].to_pylist()
    assert rows.complete.all()


def test_what_has_a_code_and_what_has_a_number():
    assert [c.name for c in ENCODING.coded] == ["word", "truth", "grade", "height", "gain", "hours"]
    assert ENCODING.levels == (4, 2, 5, 2, 2, 2)
    assert [c.name for c in ENCODING.numbers] == ["height", "gain", "hours", "born", "when", "weight", "huge"]
    assert ENCODING.states == (3, 4, 5, None, None, None, None)
    rows = ENCODING.encode(TABLE)
    assert np.array_equal(np.isnan(rows.y), ~ENCODING.present(rows.codes))
    assert np.isnan(rows.y[:200, 1]).all()


def test_numbers_on_a_grid_count_steps_without_atoms():
    column = Column("n", "integer", "int64", step=5, origin=10, low=10, high=40, atoms=(10, 25))
    encoding = Encoding(Schema((column,)))
    values = [10, 15, 20, 25, 30, 40]
    rows = encoding.encode(pa.table({"n": values}))
    assert rows.codes[:, 0].tolist() == [1, 0, 0, 2, 0, 0]
    assert np.array_equal(rows.y[:, 0], [np.nan, 0, 1, np.nan, 2, 4], equal_nan=True)
    assert encoding.decode(rows.codes, rows.y + 0.4)["n"].to_pylist() == values
    y = np.array([[-0.6], [-0.4], [4.4], [4.6], [np.nan]])
    assert encoding.within(y)[:, 0].tolist() == [False, True, True, False, True]
    # an atom at the end leaves one step less
    capped = Encoding(Schema((Column("n", "integer", "int64", step=1, low=0, high=5, atoms=(5,)),)))
    assert capped.within(np.array([[4.4], [4.6]]))[:, 0].tolist() == [True, False]


def test_decimals_come_back_as_they_were_written():
    values = (np.arange(-500, 500) / 10).tolist()
    encoding = Encoding(guess(pa.table({"x": values * 2})))
    rows = encoding.encode(pa.table({"x": values}))
    assert encoding.decode(rows.codes, rows.y + 0.3)["x"].to_pylist() == values


def test_what_was_never_seen_and_what_was_never_missing():
    table = pa.table({"c": ["a", "b"] * 50, "n": [1, 2] * 50, "x": RNG.normal(size=100)})
    encoding = Encoding(guess(table))
    new = pa.table({"c": ["a", "z", None], "n": [1, 7, None], "x": [0.5, 0.25, None]})
    rows = encoding.encode(new)
    assert rows.codes.tolist() == [[0, 0], [2, 2], [UNKNOWN, UNKNOWN]]
    assert rows.holes[:, 0].tolist() == [False, False, True]
    assert rows.complete.tolist() == [True, True, False]
    nothing = pa.table({"c": pa.nulls(2), "n": pa.nulls(2), "x": pa.nulls(2)})
    assert not encoding.encode(nothing).complete.any()


def test_columns_of_another_type_are_refused_with_what_they_hold():
    table = pa.table(
        {"c": ["a", "b"] * 50, "x": RNG.normal(size=100), "t": [True, False] * 50, "n": [1, 2] * 50}
    )
    encoding = Encoding(guess(table))

    def encode(**columns):
        return encoding.encode(pa.table({**{n: table[n][:1] for n in table.column_names}, **columns}))

    with pytest.raises(DataError, match="column 'x' holds numbers; here it holds 'tall'"):
        encode(x=["tall"])
    with pytest.raises(DataError, match="column 't' must be true or false"):
        encode(t=["yes"])
    with pytest.raises(DataError, match="column 'n' holds numbers"):
        encode(n=["one"])
    assert encode(n=[2.0]).codes[0, encoding.coded.index(encoding.schema["n"])] == 1
    assert encode(c=[1]).codes[0, 0] == 2  # a number is no word that was seen


def test_batches_are_encoded_like_the_whole():
    whole = ENCODING.encode(TABLE)
    parts = [ENCODING.encode(pa.Table.from_batches([batch])) for batch in TABLE.to_batches(max_chunksize=97)]
    assert np.array_equal(np.concatenate([part.codes for part in parts]), whole.codes)
    assert np.array_equal(np.concatenate([part.y for part in parts]), whole.y, equal_nan=True)


def test_what_lacks_a_number_that_has_atoms_may_be_an_atom_too():
    """Unless missing ones were learned, whether it is an atom is as unknown as the number."""
    x = np.random.default_rng(0).normal(size=200) + 9
    x[:60] = 0.0
    encoding = Encoding(guess(pa.table({"x": x})))
    assert encoding.levels == (2,)
    rows = encoding.encode(pa.table({"x": [0.0, 9.5, None]}))
    assert rows.codes.tolist() == [[1], [0], [UNKNOWN]]
    assert rows.holes.tolist() == [[False], [False], [True]]
    assert rows.complete.tolist() == [True, True, False]


def test_missing_values_can_be_opened():
    table = pa.table(
        {"c": ["a", None, "b", "a"] * 20, "x": [0.5, 1.25, None, -1.0] * 20, "y": [1, 2, 3, 4] * 20}
    )
    encoding = Encoding(guess(table))
    rows = encoding.encode(
        pa.table({"c": [None, "b"], "x": [None, 0.5], "y": pa.array([None, 3], pa.int64())})
    )
    assert encoding.own_levels == tuple(
        n - c.has_missing for n, c in zip(encoding.levels, encoding.coded, strict=True)
    )
    assert rows.complete.tolist() == [False, True]
    opened = encoding.opened(rows)
    assert (opened.codes[0] == UNKNOWN).all()
    assert np.array_equal(opened.codes[1], rows.codes[1])
    assert opened.complete.tolist() == [False, True]
    assert not rows.holes.any(), "they were a level of their own, and the rows are as they were"
