import contextlib
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from rheon.errors import DataError
from rheon.tables.guessing import guess
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
    assert table.data.to_pydict() == ROWS.to_dict("list")
    assert table.data.schema.types[:2] == [pa.float64(), pa.int64()]
    assert read_table(str(tmp_path / name)).require(("b",)).columns == ("b",)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_in_files(tmp_path, suffix):
    rows = np.random.default_rng(0).normal(size=(5, 3))
    path = tmp_path / f"t.{suffix}"
    if suffix == "npy":
        np.save(path, rows)
    else:
        np.savez(path, X=rows, y=np.zeros(5))
    table = read_table(path)
    assert np.array_equal(np.stack(table.data.columns, 1), rows)
    assert not table.named


def test_what_text_is_without_names_and_with_notes(tmp_path):
    (tmp_path / "t.data").write_text("1, x\n2, x\n3, ?\n")
    table = read_table(tmp_path / "t.data")
    assert table.data.to_pydict() == {"x0": [1, 2, 3], "x1": ["x", "x", None]}
    assert not table.named
    assert len(table.notes) == 1


def test_a_word_among_numbers_is_an_error_with_its_row(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i}\n" for i in range(30)) + "x1,1\n" + "7,7\n-,2\n")
    with pytest.raises(DataError, match=r"t.csv: column 'a' holds numbers but for 2 values.*'x1' in row 31"):
        read_table(path)


def test_the_index_that_pandas_stores_is_left_out(tmp_path):
    frame = ROWS.set_index(pd.Index([7, 9, 8]))
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert "an index that pandas stored" in guess(table.data)["__index_level_0__"].note


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
