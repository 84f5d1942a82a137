import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from rheon.errors import DataError
from rheon.images import Preparation, read_images
from rheon.images.parquet import image_column
from rheon.models import looks_like_images

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


ENCODED = [png(image) for image in IMAGES]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(ENCODED)]),
        pa.array([{"bytes": data} for data in ENCODED]),
        pa.array(ENCODED),
        pa.array(ENCODED, pa.large_binary()),
    ],
)
@pytest.mark.parametrize("name", ["image", "img", "anything"])
def test_layouts_of_a_column_of_pictures(tmp_path, column, name):
    table = pa.table({"id": range(6), name: column, "label": [0, 1, 2, 0, 1, 2]})
    parquet.write_table(table, tmp_path / "x.parquet", row_group_size=4)
    assert looks_like_images(tmp_path / "x.parquet")
    found = read_images(tmp_path / "x.parquet")
    assert np.array_equal(found.images, IMAGES.transpose(0, 3, 1, 2))
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.names[3].startswith("row 3")


@pytest.mark.parametrize(
    ("first", "second", "test"),
    [
        ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000.parquet"),
        ("train/0000.parquet", "train/0001.parquet", "test/0000.parquet"),
    ],
)
def test_shards_are_one_and_their_names_say_the_parts(tmp_path, first, second, test):
    for name, rows in {first: [0, 1], second: [2, 3], test: [4, 5]}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pictures = [{"bytes": ENCODED[row], "path": None} for row in rows]
        parquet.write_table(pa.table({"image": pictures, "label": rows}), tmp_path / name)
    assert looks_like_images(tmp_path)
    found = read_images(tmp_path)
    assert np.array_equal(found.images, IMAGES[:4].transpose(0, 3, 1, 2))
    assert np.array_equal(found.test.images, IMAGES[4:].transpose(0, 3, 1, 2))
    assert found.labels.tolist() == [0, 1, 2, 3]
    assert found.test.labels.tolist() == [4, 5]
    assert found.classes is None


def test_a_table_is_a_table(tmp_path):
    table = pa.table({"a": [1.0, 2.0], "key": [b"\x01\x02", b"\x03"], "word": ["PNG", "x"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    assert image_column(tmp_path / "x.parquet") is None
    assert not looks_like_images(tmp_path / "x.parquet")
    assert not looks_like_images(tmp_path)


def test_rows_without_a_picture_are_named(tmp_path):
    rows = [{"bytes": data, "path": None} for data in ENCODED * 2]
    rows[2] = {"bytes": None, "path": "gone.png"}
    rows[7] = None
    parquet.write_table(pa.table({"image": rows, "label": [None] * 12}), tmp_path / "x.parquet")
    found = read_images(tmp_path / "x.parquet")
    assert [name for name, _ in found.skipped] == ["row 2 (gone.png)", "row 7"]
    assert len(found) == 10
    assert found.labels is None


def test_a_damaged_file_is_refused(tmp_path):
    parquet.write_table(pa.table({"image": ENCODED}), tmp_path / "x.parquet", compression=None)
    whole = (tmp_path / "x.parquet").read_bytes()
    place = whole.index(ENCODED[3]) + 60
    (tmp_path / "cut.parquet").write_bytes(whole[:-50])
    (tmp_path / "flip.parquet").write_bytes(whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :])
    with pytest.raises(DataError, match="unknown kind"):
        read_images(tmp_path / "cut.parquet")
    with pytest.raises(DataError, match=r"no picture can be used|row 3|cannot be read|differ"):
        read_images(tmp_path / "flip.parquet", prepare=Preparation(strict=True))
