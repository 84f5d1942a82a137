import numpy as np
import pytest

from rheon import DataError, RheonError
from rheon.cli.data import TOY_ROWS, notes, read, read_to_score, schema_lines
from rheon.datasets import TOYS, random_split
from rheon.tables import Column, Schema, guess


def numbers(data):
    return np.stack(data.table.data.columns, 1)


def test_a_toy_is_draws_by_the_seed():
    data = read("rings", seed=3)
    assert len(data) == TOY_ROWS
    np.testing.assert_array_equal(numbers(data), TOYS["rings"].sample(TOY_ROWS, 3))


@pytest.mark.parametrize("name", ["rings", "digits"])
def test_parts_are_the_whole_and_the_split_follows_from_the_seed(name):
    whole = read(name)
    learn, test = whole.split(0.2, seed=5)
    rows = random_split(len(whole), 0.2, 5)
    for part, kept in zip((learn, test), rows, strict=True):
        assert len(part) == len(kept)
        content = numbers(part) if name == "rings" else part.images.images
        everything = numbers(whole) if name == "rings" else whole.images.images
        np.testing.assert_array_equal(content, everything[kept])


def test_names_of_pictures_go_with_them(here):
    from PIL import Image

    for i in range(10):
        Image.new("L", (4, 4), i).save(here / f"{i}.png")
    learn, test = read(str(here)).split(0.3, seed=0)
    for part in (learn, test):
        assert [f"{image[0, 0, 0]}.png" for image in part.images.images] == list(part.images.names)


def test_what_a_table_was_taken_for(here):
    header = "a,b,c,same"
    (here / "t.csv").write_text("\n".join([header, *(f"{i},{i * i},word,4" for i in range(30))]))
    data = read("t.csv")
    assert data.description == "30 rows of 4 columns (a, b, c, same), from t.csv"
    assert list(schema_lines(guess(data.table.data))) == [
        "  a     id        left out: numbers rows",
        "  b     integer   0 … 841",
        "  c     constant  left out: constant ('word')",
        "  same  constant  left out: constant (4)",
    ]
    (here / "u.data").write_text("".join(f"{i % 7}, {i % 3}\n" for i in range(30)))
    assert list(notes(read("u.data"))) == ["the first line is a row, not names: it fits the columns"]


def test_of_very_many_columns_some_are_shown():
    schema = Schema(tuple(Column(f"x{i}", "continuous") for i in range(1000)))
    assert list(schema_lines(schema))[-1] == "  and 940 more columns"
    assert len(list(schema_lines(schema))) == 61


def test_an_array_of_two_axes_is_a_table_and_of_three_images(here):
    np.save("rows.npy", np.arange(40.0).reshape(20, 2))
    np.save("images.npy", np.zeros((20, 4, 4), np.uint8))
    assert read("rows.npy").table.columns == ("x0", "x1")
    assert read("images.npy", levels=2).images.levels == 2
    with pytest.raises(RheonError, match="is a table"):
        read("rows.npy", levels=2)
    with pytest.raises(DataError, match="give images"):
        read_to_score("rows.npy", 0, 17, None)
    with pytest.raises(DataError, match="give a table"):
        read_to_score("images.npy", 0, None, ("x0", "x1"))


def test_a_handful_is_not_enough(here):
    np.save("rows.npy", np.arange(48.0).reshape(24, 2))
    np.save("images.npy", np.zeros((9, 4, 4), np.uint8))
    with pytest.raises(DataError, match="24 rows are too few"):
        read("rows.npy").split(0.2, 0)
    with pytest.raises(DataError, match="9 images are too few"):
        read("images.npy").split(0.2, 0)


def test_a_file_of_a_built_in_name_is_meant_by_its_path(here):
    (here / "moons").mkdir()
    with pytest.raises(DataError, match="there are none"):
        read("./moons")


def test_fresh_draws_are_not_those_of_any_fit():
    fresh = numbers(read_to_score("moons", 0, None, ("x0", "x1")))
    assert not np.isin(fresh, TOYS["moons"].sample(TOY_ROWS, 0)).any()
