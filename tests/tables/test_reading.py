import decimal

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
    assert table.columns == tuple(COLUMNS)
    assert table.named
    columns = table.data.to_pydict()
    for name in ("height", "name", "age", "smokes"):
        assert columns[name] == COLUMNS[name]
    assert pd.DatetimeIndex(columns["born"]).equals(pd.DatetimeIndex(COLUMNS["born"]))


@frames
def test_what_is_missing_is_missing(frame):
    table = read_table(frame({"a": [1.0, None, 3.0], "b": ["x", None, "z"]}))
    for name in ("a", "b"):
        missing = table.data[name].is_null(nan_is_null=True).to_pylist()
        assert missing == [False, True, False]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, 2], [3, 5]], np.int32),
        torch.tensor([[1, 2], [3, 5]], dtype=torch.int32),
        np.asfortranarray(np.array([[1, 2], [3, 5]], np.int32)),
        np.array([[1, 2], [3, 5]], ">i4"),
    ],
)
def test_arrays_have_columns_by_number(array):
    table = read_table(array)
    assert table.columns == ("x0", "x1")
    assert not table.named
    assert table.data.to_pydict() == {"x0": [1, 3], "x1": [2, 5]}
    assert table.data.schema.types == [pa.int32()] * 2


def test_one_axis_is_one_column():
    for data in (np.arange(3.0), torch.arange(3.0), [0.0, 1.0, 2.0]):
        assert read_table(data).data.to_pydict() == {"x0": [0, 1, 2]}
    for series in (pd.Series([0.0, 1.0], name="a"), pl.Series("a", [0.0, 1.0])):
        assert read_table(series).columns == ("a",)


def test_columns_are_picked_by_name_and_unnamed_ones_by_position():
    table = read_table(pd.DataFrame(COLUMNS))
    assert table.require(("age", "height")).data.to_pydict() == {
        "age": [30, 41, 52],
        "height": [1.5, 1.75, 1.25],
    }
    with pytest.raises(DataError, match=r"no column 'hieght'; did you mean 'height'\?"):
        table.require(("hieght", "age"))
    with pytest.raises(DataError, match=r"no column '#!'; there are 'height', "):
        table.require(("#!",))
    rows = read_table([[1.0, 7.0], [2.0, 7.0]])
    assert rows.require(("b", "a")).data.to_pydict() == {"b": [1, 2], "a": [7, 7]}
    assert rows.require(("x1", "x0")).data.to_pydict() == {"x1": [7, 7], "x0": [1, 2]}
    with pytest.raises(DataError, match="no column 'b'"):
        rows.require(("b", "a", "c"))


def test_rows_are_taken_and_split():
    table = read_table(np.arange(10.0))
    assert table.take(np.array([3, 1])).data["x0"].to_pylist() == [3, 1]
    rest, held_out = table.split(0.3, seed=0)
    assert (len(rest), len(held_out)) == (7, 3)
    assert sorted(rest.data["x0"].to_pylist() + held_out.data["x0"].to_pylist()) == list(range(10))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 2, 2)), r"shape \(3, 2, 2\); a table is"),
        (np.zeros((3, 0)), "shape"),
        (np.float64(3.0), "shape"),
        (np.zeros((0, 2)), "no rows"),
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame(index=[0, 1]), "no columns"),
        (pa.table([[1, 2], [3, 4]], names=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns have the same name"),
        (pd.DataFrame({"a": [1, "x", 2.5]}), "'a' holds values of different types"),
        (pd.DataFrame({"a": [object(), object()]}), "'a' holds values of different types, or of one"),
        (object(), "expected an array of numbers"),
        (np.array(["a"]), "expected an array of numbers"),
    ],
)
def test_what_is_no_table(data, message):
    with pytest.raises(DataError, match=message):
        read_table(data)


def test_names_of_columns_are_text():
    assert read_table(pd.DataFrame({0: [1.0, 2.0], 1: ["a", "b"]})).columns == ("0", "1")
    assert read_table(pa.table([[1], [2]], names=["", "b"])).columns == ("column 1", "b")


def test_tables_that_are_built_in_have_names():
    assert len(read_table("wine")) == 178
    assert read_table("clinic").data["smokes"].null_count > 0
    assert read_table(pa.record_batch({"d": [decimal.Decimal("1.5")]})).columns == ("d",)
