import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from rheon.errors import DataError
from rheon.tables.reading import read_table

COLUMNS = {
    "height": [1.5, 1.75, 1.25],
    "name": ["a", "b", "c"],
    "age": [30, 41, 52],
    "zero": [0, 0, 0],
    "smokes": [True, False, True],
    "born": pd.to_datetime(["2000-01-01", "2001-01-01", "2002-01-01"]),
}
FRAMES = {
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.from_pandas(pd.DataFrame(columns)),
    "polars lazy": lambda columns: pl.from_pandas(pd.DataFrame(columns)).lazy(),
    "pyarrow": lambda columns: pa.Table.from_pandas(pd.DataFrame(columns)),
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas of arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
}
frames = pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())


@frames
def test_frames(frame):
    table = read_table(frame(COLUMNS))
    assert table.columns == ("height", "age")
    assert table.values.dtype == np.float64
    assert np.array_equal(table.values, [[1.5, 30], [1.75, 41], [1.25, 52]])
    assert table.dtypes == ("float64", "int64")
    assert dict(table.dropped) == {
        "name": "text",
        "zero": "constant (0)",
        "smokes": "true and false",
        "born": "dates or times",
    }


@frames
def test_columns_are_picked_in_order_constants_too_and_others_not_looked_at(frame):
    data = frame({**COLUMNS, "unused": [np.nan, 1.0, np.inf]})
    with pytest.raises(DataError, match="'unused'"):
        read_table(data)
    table = read_table(data, columns=("zero", "age", "height"))
    assert table.columns == ("zero", "age", "height")
    assert np.array_equal(table.values, [[0, 30, 1.5], [0, 41, 1.75], [0, 52, 1.25]])
    assert table.dtypes == ("int64", "int64", "float64")
    one = read_table(frame({"age": [3], "height": [1.0]}), columns=("height", "age"))
    assert np.array_equal(one.values, [[1, 3]])


def test_require_finds_what_was_left_out_and_says_what_is_missing():
    table = read_table(pd.DataFrame(COLUMNS))
    picked = table.require(["zero", "age"])
    assert np.array_equal(picked.values, [[0, 30], [0, 41], [0, 52]])
    assert picked.dtypes == ("int64", "int64")
    for source in (table, pd.DataFrame(COLUMNS)):
        with pytest.raises(DataError, match=r"column 'hieght' is missing; did you mean 'height'\?"):
            read_table(source, columns=("hieght", "age"))
        with pytest.raises(DataError, match=r"column '#!' is missing; the data have 'height', "):
            read_table(source, columns=("#!",))
        with pytest.raises(DataError, match="column 'name' is needed and cannot be used: text"):
            read_table(source, columns=("age", "name"))


@frames
@pytest.mark.parametrize(
    ("bad", "what"), [(np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"), (None, "missing")]
)
def test_a_value_that_is_none_is_named_with_its_row(frame, bad, what):
    with pytest.raises(
        DataError,
        match=rf"column 'b' has 2 missing or infinite values, the first \({what}\) in row 3; remove",
    ):
        read_table(frame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 2.0, bad, bad]}))


def test_whole_numbers_with_gaps_are_numbers_with_missing_values():
    for frame in (pl.DataFrame({"n": [1, None, 3]}), pa.table({"n": [1, None, 3]})):
        with pytest.raises(DataError, match=r"'n' has 1 missing .* in row 2"):
            read_table(frame)


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, 2], [3, 5]], np.int32),
        torch.tensor([[1, 2], [3, 5]], dtype=torch.int32),
        np.asfortranarray(np.array([[1, 2], [3, 5]], np.int32)),
    ],
)
def test_arrays_have_columns_by_number(array):
    table = read_table(array)
    assert table.columns == ("x0", "x1")
    assert not table.named
    assert np.array_equal(table.values, [[1, 2], [3, 5]])
    assert table.dtypes == ("int32", "int32")


def test_the_array_given_is_not_touched():
    array = np.array([[1.0, 2.0], [3.0, 5.0]])
    read_table(array).values[:] = 0
    read_table(array, columns=("x1", "x0")).values[:] = 0
    assert np.array_equal(array, [[1, 2], [3, 5]])


def test_one_axis_is_one_column():
    for data in (np.arange(3.0), torch.arange(3.0), [0.0, 1.0, 2.0]):
        assert np.array_equal(read_table(data).values, [[0], [1], [2]])
    for series in (pd.Series([0.0, 1.0], name="a"), pl.Series("a", [0.0, 1.0])):
        assert read_table(series).columns == ("a",)


def test_unnamed_rows_go_by_position_to_a_model_with_names():
    rows = np.array([[1.0, 7.0], [2.0, 7.0]])
    for table in (read_table(rows, columns=("b", "a")), read_table(rows).require(("b", "a"))):
        assert table.columns == ("b", "a")
        assert np.array_equal(table.values, rows)
    assert np.array_equal(read_table([[1.0, 7.0]], columns=("b", "a")).values, [[1, 7]])
    picked = read_table(np.c_[rows, [5, 6]], columns=("x2", "x0"))
    assert picked.require(("x0", "x2")).columns == ("x0", "x2")
    # a model that left x1 out takes rows of the full width, by name
    assert np.array_equal(read_table(np.c_[rows, [5, 6]], columns=("x0", "x2")).values, [[1, 5], [2, 6]])
    with pytest.raises(DataError, match="column 'b' is missing"):
        read_table(rows, columns=("b", "a", "c"))
    with pytest.raises(DataError, match="'x2' is missing"):
        read_table(rows, columns=("x0", "x1", "x2"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 2, 2)), r"shape \(3, 2, 2\); a table is"),
        (np.zeros((3, 0)), "shape"),
        (np.float64(3.0), "shape"),
        (np.zeros((0, 2)), "no rows"),
        (pd.DataFrame({"a": []}), "no rows"),
        (np.ones((4, 2)), r"no column holds numbers that vary \('x0': constant \(1\); 'x1'"),
        (pd.DataFrame({"a": ["x", "y"]}), r"no column holds numbers that vary \('a': text"),
        (pa.table([[1, 2], [3, 4]], names=["a", "a"]), "two columns have the same name"),
        (object(), "expected an array of numbers"),
        (np.array(["a"]), "expected an array of numbers"),
    ],
)
def test_what_is_no_table(data, message):
    with pytest.raises(DataError, match=message):
        read_table(data)


def test_whole_numbers_beyond_float64_are_left_out():
    table = read_table(pl.DataFrame({"id": [2**53 + 1, 2**53 + 2], "ok": [2**53, 0]}))
    assert table.columns == ("ok",)
    assert table.dropped == (("id", "whole numbers too large to tell apart as float64"),)


def test_other_types_of_number():
    import decimal

    frame = pa.table(
        {
            "decimal": pa.array([decimal.Decimal("1.25"), decimal.Decimal("2.5")]),
            "small": pa.array([1, 2], pa.uint8()),
            "half": pa.array(np.array([1.5, 2.5], np.float16)),
            "empty": pa.array([None, None]),
            "nested": pa.array([[1], [2]]),
        }
    )
    table = read_table(frame)
    assert table.columns == ("decimal", "small", "half")
    assert table.dtypes == ("float64", "uint8", "float16")
    assert np.array_equal(table.values, [[1.25, 1, 1.5], [2.5, 2, 2.5]])
    assert [name for name, _ in table.dropped] == ["empty", "nested"]


def test_names_of_columns_are_text():
    table = read_table(pd.DataFrame({0: [1.0, 2.0], 1: ["a", "b"], 2: [3.0, 4.0]}))
    assert table.columns == ("0", "2")
