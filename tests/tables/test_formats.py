import contextlib
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from rheon.errors import DataError
from rheon.tables.reading import read_table

ROWS = pd.DataFrame({"a": [1.5, 2.25, -3e-7], "b": [1, 2, 3], "c": ["x", "y", "z"]})


def write(path, frame=ROWS):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    suffix = path.name.split(".", 1)[1]
    if suffix.startswith(("csv", "tsv")):
        text = frame.to_csv(index=False, sep="\t" if suffix.startswith("tsv") else ",").encode()
        path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    elif suffix == "parquet":
        parquet.write_table(table, path)
    elif suffix == "feather":
        feather.write_feather(table, path)
    elif suffix == "arrow":
        with ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table)
    return path


@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz", "t.parquet", "t.feather", "t.arrow"]
)
def test_every_format_gives_the_same_table(tmp_path, name):
    table = read_table(write(tmp_path / name))
    assert table.columns == ("a", "b")
    assert np.array_equal(table.values, ROWS[["a", "b"]].to_numpy())
    assert table.dtypes == ("float64", "int64")
    assert table.dropped == (("c", "text"),)
    assert read_table(str(tmp_path / name), columns=("b",)).columns == ("b",)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_in_files(tmp_path, suffix):
    rows = np.random.default_rng(0).normal(size=(5, 3))
    path = tmp_path / f"t.{suffix}"
    if suffix == "npy":
        np.save(path, rows)
    else:
        np.savez(path, X=rows, y=np.zeros(5))
    assert np.array_equal(read_table(path).values, rows)


@pytest.mark.parametrize(
    ("text", "columns", "values"),
    [
        ("1.5,2\n3,4\n5,6\n", ("x0", "x1"), [[1.5, 2], [3, 4], [5, 6]]),
        ("-1e-3,nan\n3,4\n5,6\n"[:5] + ",2\n3,4\n", ("x0", "x1"), [[-1e-3, 2], [3, 4]]),
        ("\ufeffa,b\n1,2\n3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
        ("a;b\n1;2\n3;4.5\n", ("a", "b"), [[1, 2], [3, 4.5]]),
        ("a,,c\n1,2,3\n4,5,6\n", ("a", "column 2", "c"), [[1, 2, 3], [4, 5, 6]]),
        ('"a b",text\n1,"x\ny"\n2,"z,w"\n', ("a b",), [[1], [2]]),
        ("a\n1\n2\n", ("a",), [[1], [2]]),
        ("a,b\r\n1,2\r\n3,4\r\n", ("a", "b"), [[1, 2], [3, 4]]),
        ("a,b\n1,2\n3,4", ("a", "b"), [[1, 2], [3, 4]]),
    ],
)
def test_kinds_of_csv(tmp_path, text, columns, values):
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    table = read_table(path)
    assert table.columns == columns
    assert np.array_equal(table.values, values)


def test_the_type_of_a_column_follows_from_its_last_value_too(tmp_path):
    path = tmp_path / "late.csv"
    n = 300_000  # several of the reader's blocks
    path.write_text("n,k\n" + "".join(f"{i},{i % 7}\n" for i in range(n)) + "1.5,1\n")
    table = read_table(path)
    assert table.dtypes == ("float64", "int64")
    assert table.values[-1, 0] == 1.5
    assert np.array_equal(table.values[:-1, 0], np.arange(n))


def test_a_word_among_numbers_is_an_error_with_its_row(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i}\n" for i in range(30)) + "x1,1\n" + "7,7\n-,2\n")
    with pytest.raises(
        DataError,
        match=r"column 'a' holds numbers but for 2 values, the first of them 'x1' in row 31; correct",
    ):
        read_table(path)


def test_missing_values_in_csv_have_their_row(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,1\n2,\n3,NA\n")
    with pytest.raises(
        DataError, match=r"'b' has 2 missing or infinite values, the first \(missing\) in row 2"
    ):
        read_table(path)


def test_the_index_that_pandas_stores_is_left_out(tmp_path):
    frame = ROWS.set_index(pd.Index([7, 9, 8]))
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == ("a", "b")
    assert ("__index_level_0__", "an index that pandas stored") in table.dropped


def test_paths_that_are_nothing(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*no.csv"):
        read_table(tmp_path / "no.csv")
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path)
    (tmp_path / "t.xlsx").write_text("hello")
    with pytest.raises(
        DataError, match=r"t.xlsx is of an unknown kind; expected a name that ends in \.csv, \.tsv"
    ):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "parquet", "feather", "arrow", "npy", "npz"])
@pytest.mark.parametrize(
    "data", [b"", b"\0\1\2\xff" * 50, b"PAR1" * 10, b"ARROW1\0\0" * 8, b"a,b\n1\n", b"\xff\xfe1\0,\0"]
)
def test_nonsense_is_refused_by_name(tmp_path, suffix, data):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"bad\."):
        read_table(path)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.arrow", "t.csv.gz"])
def test_truncated_and_flipped_files_do_not_crash(tmp_path, name):
    whole = write(tmp_path / name, pd.concat([ROWS] * 40)).read_bytes()
    bad = tmp_path / f"bad.{name.split('.', 1)[1]}"
    for length in range(0, len(whole), max(len(whole) // 40, 1)):
        bad.write_bytes(whole[:length])
        if not name.endswith("arrow"):  # a stream may end between two messages
            with pytest.raises(DataError):
                read_table(bad)
    for place in range(0, len(whole), max(len(whole) // 150, 1)):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            read_table(bad)


def test_a_gzip_bomb_is_refused_by_what_it_unpacks_to(tmp_path, monkeypatch):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * (1 << 20)))
    monkeypatch.setattr("rheon.tables.formats.MAX_BYTES", 1 << 20)
    monkeypatch.setattr("rheon.arrays.MAX_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"bomb.csv.gz needs .* GiB"):
        read_table(tmp_path / "bomb.csv.gz")


def test_a_parquet_bomb_is_refused_by_its_row_count(tmp_path, monkeypatch):
    parquet.write_table(pa.table({"a": np.zeros(1 << 20)}), tmp_path / "bomb.parquet")
    monkeypatch.setattr("rheon.arrays.MAX_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"bomb.parquet needs"):
        read_table(tmp_path / "bomb.parquet")
