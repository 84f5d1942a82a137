import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from rheon.errors import RheonError
from rheon.tables.reading import read_table
from rheon.tables.writing import write_table


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".arrow", ".feather"])
def test_numbers_come_back_to_the_bit(tmp_path, suffix):
    rng = np.random.default_rng(0)
    values = rng.normal(size=200) * 10.0 ** rng.integers(-300, 300, 200)
    whole = rng.integers(-(2**50), 2**50, 200)
    path = tmp_path / f"t{suffix}"
    path.write_text("old")
    write_table(path, {"log_prob": values, "n": whole, "name": [f"image {i}" for i in range(200)]})
    table = read_table(path)
    assert table.columns == ("log_prob", "n", "name")
    assert np.array_equal(table.data["log_prob"], values)
    assert np.array_equal(table.data["n"], whole)
    assert os.listdir(tmp_path) == [path.name]


def test_text_that_a_spreadsheet_would_run_is_escaped_in_csv(tmp_path):
    texts = ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "  =1", "\xa0=1", "a=1", "", "-5", "plain", None]
    columns = {"=name": texts, "number": np.arange(-1.0, 12.0)}
    write_table(tmp_path / "t.csv", columns)
    back = csv.read_csv(tmp_path / "t.csv", parse_options=csv.ParseOptions(newlines_in_values=True))
    assert back.column_names == ["'=name", "number"]
    dangerous = ["'" + text for text in texts[:8]]
    assert back["'=name"].to_pylist() == [*dangerous, "a=1", "", "'-5", "plain", ""]
    assert back["number"].to_pylist() == list(range(-1, 12))
    write_table(tmp_path / "t.parquet", columns)
    assert parquet.read_table(tmp_path / "t.parquet").equals(pa.table(columns))


def test_columns_of_arrow_keep_their_types(tmp_path):
    columns = pa.table({"day": pa.array([1, None], pa.date32()), "small": pa.array([1, 2], pa.int8())})
    write_table(tmp_path / "t.parquet", {name: columns[name] for name in columns.column_names})
    assert parquet.read_table(tmp_path / "t.parquet").equals(columns)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(RheonError, match=r"t.xls; expected a name that ends in \.csv, \.tsv, \.parquet"):
        write_table(tmp_path / "t.xls", {"a": [1]})
    with pytest.raises(RheonError, match=r"the columns differ in length: \{'a': 1, 'b': 2\}"):
        write_table(tmp_path / "t.csv", {"a": [1], "b": [1, 2]})
    with pytest.raises(RheonError, match=r"could not write .*no.t.csv: No such file"):
        write_table(tmp_path / "no" / "t.csv", {"a": [1]})
    assert os.listdir(tmp_path) == []


def test_an_arrow_table_is_columns(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", "=1"]})
    write_table(tmp_path / "t.parquet", table)
    assert parquet.read_table(tmp_path / "t.parquet").equals(table)
