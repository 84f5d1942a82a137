import os

import pytest

from rheon.errors import RheonError
from rheon.files import replacing, write_flushed


def test_a_file_appears_in_place_of_the_old_one(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["scores.csv"]


def write(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text)


def test_a_block_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(AttributeError), replacing(path) as temporary:
        temporary.write_text("half").stop()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scores.csv"]


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    path = tmp_path / "scores.csv"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RheonError, match=r"could not write .*scores.csv: No space left on device"):
        write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scores.csv"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RheonError, match="could not write"):
        write(tmp_path / "no" / "scores.csv", "new")


def test_writing_goes_on_after_a_short_write_and_never_over_a_file(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_flushed(tmp_path / "a", bytes(range(100)))
    assert (tmp_path / "a").read_bytes() == bytes(range(100))
    with pytest.raises(FileExistsError):
        write_flushed(tmp_path / "a", b"")
