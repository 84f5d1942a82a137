import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from rheon.errors import DataError
from rheon.tables.parts import Parts, can_be_parted

TABLE = pa.table({"a": np.arange(100.0), "a.b": np.arange(100) % 7, "text": [f"row {i}" for i in range(100)]})


def write(path, group=30):
    if path.suffix == ".parquet":
        parquet.write_table(TABLE, path, row_group_size=group)
    else:
        feather.write_feather(TABLE, str(path), chunksize=group)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_rows_come_in_order_in_batches_of_bounded_size(tmp_path, suffix):
    parts = Parts(write(tmp_path / f"t{suffix}"))
    assert [group.rows for group in parts.groups] == [30, 30, 30, 10]
    assert len(parts) == 100
    for columns in (["a.b", "a"], ["a"], ["text"]):
        batches = list(parts.batches(columns, size=8))
        assert max(batch.num_rows for batch in batches) <= 8
        assert pa.Table.from_batches(batches).equals(TABLE.select(columns))
    assert pa.Table.from_batches(parts.of_group(parts.groups[2], ["a"])).equals(TABLE.select(["a"])[60:90])


def test_a_folder_is_its_files_in_order_of_name(tmp_path):
    for name in ("b.parquet", "a.arrow", "c.feather"):
        write(tmp_path / name)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".b.parquet.crc").touch()
    (tmp_path / "_c.parquet").write_text("half written")
    parts = Parts(tmp_path)
    assert [path.name for path in parts.paths] == ["a.arrow", "b.parquet", "c.feather"]
    assert pa.Table.from_batches(parts.batches(["a"])).num_rows == len(parts) == 300


def test_memory_does_not_grow_with_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("small", 200_000), ("large", 1_600_000)):
        table = pa.table({"x": rng.normal(size=n)})
        parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=n)
        feather.write_feather(table, str(tmp_path / f"{name}.arrow"), chunksize=65_536)
    del table

    def peak(path):
        return max(pa.total_allocated_bytes() for _ in Parts(path).batches(["x"], size=50_000))

    for suffix in ("parquet", "arrow"):
        assert peak(tmp_path / f"large.{suffix}") < 1.5 * peak(tmp_path / f"small.{suffix}")


def test_a_stream_has_no_parts(tmp_path):
    path = tmp_path / "t.arrow"
    with ipc.new_stream(path, TABLE.schema) as stream:
        stream.write_table(TABLE)
    assert not can_be_parted(path)
    with pytest.raises(DataError, match="is an Arrow stream, which has no parts"):
        Parts(path)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="there is no file in"):
        Parts(tmp_path)
    with pytest.raises(DataError, match=r"there is no file .*none.parquet"):
        Parts(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(DataError, match=r"bad.parquet cannot be read: "):
        Parts(tmp_path / "bad.parquet")
    parquet.write_table(TABLE[:0], tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="no rows"):
        Parts(tmp_path / "bad.parquet")
    parquet.write_table(TABLE.select(["a", "a"]), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="two columns are named 'a'"):
        Parts(tmp_path / "bad.parquet")
    write(tmp_path / "good.parquet")
    with pytest.raises(DataError, match=r"good.parquet has other columns, or of other types, than .*bad"):
        Parts(tmp_path)


def test_damage_within_is_named(tmp_path):
    path = write(tmp_path / "t.parquet")
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"t.parquet cannot be read: "):
        list(Parts(path).batches(["a", "a.b"]))
