import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import rheon as library
from rheon.tables import read_table


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_images_as_arrays_in_the_layout_of_the_data(models, here, rheon, suffix):
    shown = rheon(f"sample {models}/digits.rheon -n 5 --seed 3 --out new{suffix}")
    assert (shown.code, shown.out, shown.err) == (0, f"new{suffix}: 5 new images\n", "")
    read = np.load(here / f"new{suffix}")
    images = read["images"] if suffix == ".npz" else read
    expected = library.load(models / "digits.rheon").sample(5, seed=3)
    np.testing.assert_array_equal(images, expected)
    assert images.dtype == np.uint8
    assert images.max() <= 16


def test_a_sheet_of_images(models, here, rheon):
    assert rheon(f"sample {models}/digits.rheon -n 10 --seed 3 --out new.png").code == 0
    with Image.open(here / "new.png") as sheet:
        assert sheet.size == (4 * 60 + 4, 3 * 60 + 4)
        corner = np.asarray(sheet)[4:60:7, 4:60:7, 0]
    first = library.load(models / "digits.rheon").sample(10, seed=3)[0]
    np.testing.assert_array_equal(corner, np.rint(first * (255 / 16)))


def test_rows_keep_names_and_types(models, here, rheon):
    """The model's second column was whole numbers from -128 to 127, stored as int64."""
    assert rheon(f"sample {models}/hostile.rheon -n 50 --out new.parquet").code == 0
    table = pq.read_table(here / "new.parquet")
    assert table.column_names == ["<script>alert(1)</script>", "\x1b[31mred\x1b[0m", "=1+1"]
    assert [str(column.type) for column in table.columns] == ["double", "int64", "double"]


def test_formulas_are_text_in_a_csv(models, here, rheon):
    assert rheon(f"sample {models}/hostile.rheon -n 50 --out new.csv").code == 0
    assert "'=1+1" in (here / "new.csv").read_text().splitlines()[0]


def test_seed_and_temperature(models, here, rheon):
    words = f"sample {models}/moons.rheon -n 400"
    for name, options in {
        "a": "--seed 1",
        "b": "--seed 1",
        "c": "",
        "d": "",
        "cold": "--temperature 0.5 --seed 1",
    }.items():
        assert rheon(f"{words} {options} --out {name}.parquet").code == 0
    a, b, c, d, cold = (
        np.stack(read_table(here / f"{name}.parquet").data.columns, 1)
        for name in ("a", "b", "c", "d", "cold")
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(c, d)
    assert (cold.std(0) < 0.8 * a.std(0)).all()


def test_a_file_is_replaced_whole(models, here, rheon, monkeypatch):
    (here / "new.npz").write_bytes(b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rheon.images.reading.np.savez_compressed", full)
    shown = rheon(f"sample {models}/digits.rheon -n 2 --out new.npz")
    assert shown.code == 2
    assert "No space left" in shown.err
    assert (here / "new.npz").read_bytes() == b"old"
    assert [file.name for file in here.iterdir()] == ["new.npz"]
