import os

import pytest

from rheon import DataError, RheonError
from rheon.cli.paths import check_data, check_directory, check_file, model_name


def test_what_is_there_passes(here):
    (here / "new").mkdir()
    check_data("digits")
    check_data("new")
    check_file(here / "new" / "a.csv", (".csv",))
    check_directory(here / "model", overwrite=False)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("Moons", "did you mean moons"),
        ("eightgaussians", "did you mean eight-gaussians"),
        ("x", "one of digits"),
    ],
)
def test_what_is_not_there(data, says):
    with pytest.raises(DataError, match=says):
        check_data(data)


def test_a_folder_that_cannot_be_written_to(here, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(RheonError, match="cannot be written to"):
        check_file(here / "a.csv", (".csv",))


def test_a_folder_is_no_file_to_write(here):
    (here / "a.csv").mkdir()
    with pytest.raises(RheonError, match="is a folder"):
        check_file(here / "a.csv", (".csv",))


def test_the_input_by_another_name_is_still_the_input(here):
    (here / "a.csv").write_text("x\n1\n")
    (here / "b.csv").symlink_to("a.csv")
    with pytest.raises(RheonError, match="the file that is read"):
        check_file(here / "b.csv", (".csv",), source=str(here / "a.csv"))


def test_a_model_is_replaced_only_when_told(here):
    (here / "m").mkdir()
    (here / "m" / "config.json").write_text("{}")
    check_directory(here / "m", overwrite=True)
    with pytest.raises(RheonError, match="--overwrite"):
        check_directory(here / "m", overwrite=False)
    (here / "link").symlink_to("nowhere")
    with pytest.raises(RheonError, match="not a model"):
        check_directory(here / "link", overwrite=True)


def test_names_of_models():
    names = ["moons", "a/b.csv", "b.tsv.gz", "/p/q.d/", ".", ".csv"]
    assert [model_name(name) for name in names][:4] == ["moons.rheon", "b.rheon", "b.rheon", "q.rheon"]
    assert all(len(model_name(name)) > len(".rheon") for name in names)
