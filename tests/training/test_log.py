import json
import math
import os

import pytest

from rheon.errors import ModelError
from rheon.training.log import Log
from rheon.training.record import Record


def record(step, loss=0.1):
    return Record(step, 1 / 3, 2.0, 3.0, 1e-3, None, False, 1, None, loss, 2.5, 0)


def filled(path, *steps):
    log = Log(path)
    log.records += map(record, steps)
    log.flush()
    return log


def test_records_come_back_to_the_bit(tmp_path):
    log = filled(tmp_path / "log", 1, 2)
    log.records.append(record(3, math.nan))
    log.flush()
    again = Log(tmp_path / "log")
    again.restore(log.position)
    assert [r.as_dict() for r in again.records[:2]] == [record(n).as_dict() for n in (1, 2)]
    assert math.isnan(again.records[2].loss)
    assert again.position == log.position


def test_what_stands_behind_the_position_is_cut_off(tmp_path):
    position = filled(tmp_path / "log", 1, 2).position
    with (tmp_path / "log").open("a") as file:
        file.write('{"step": 3, "half a li')
    again = Log(tmp_path / "log")
    again.restore(position)
    again.records.append(record(3))
    again.flush()
    steps = [json.loads(line)["step"] for line in (tmp_path / "log").read_text().splitlines()]
    assert steps == [1, 2, 3]


def test_a_write_that_fails_halfway_is_made_good(tmp_path, monkeypatch):
    log, pwrite, fsync = filled(tmp_path / "log", 1), os.pwrite, os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    log.records.append(record(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda descriptor, data, place: pwrite(descriptor, data[:5], place))
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            log.flush()
    assert os.fsync is fsync
    log.records.append(record(3))
    log.flush()
    again = Log(tmp_path / "log")
    again.restore(log.position)
    assert [r.step for r in again.records] == [1, 2, 3]


def test_a_log_that_vanished_is_written_anew(tmp_path):
    log = filled(tmp_path / "log", 1, 2)
    (tmp_path / "log").unlink()
    log.records.append(record(3))
    log.flush()
    assert [json.loads(line)["step"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("damage", ["gone", "short", "changed"])
def test_another_content_is_refused(tmp_path, damage):
    position, path = filled(tmp_path / "log", 1, 2).position, tmp_path / "log"
    text = path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(text[:-1] if damage == "short" else text.replace("0.1", "0.2"))
    with pytest.raises(ModelError, match="log"):
        Log(path).restore(position)
