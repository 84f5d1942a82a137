import sys
from types import SimpleNamespace

import pytest
import torch

from rheon.errors import RheonError
from rheon.training import Record, Settings, TensorBoard, Unit, tensorboard, train
from rheon.training.source import Rows


class Writer:
    """What torch's SummaryWriter is told."""

    made: list

    def __init__(self, folder, purge_step):
        self.said, self.open = [(folder, purge_step)], True
        Writer.made.append(self)

    def add_scalar(self, name, value, step):
        self.said.append((step, name, value))

    def close(self):
        self.open = False


@pytest.fixture
def writers(monkeypatch):
    Writer.made = []
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    return Writer.made


def record(step, validation=None):
    return Record(
        step, 1.0, 2.0, 3.0, 1e-3, validation, False, 1, None, 4.0, 0.5, 0.0, Unit.mean_log_prob(-1.0)
    )


def test_what_it_is_told(writers, monkeypatch):
    monkeypatch.setattr(tensorboard.time, "monotonic", lambda: 7.0)
    with TensorBoard("runs/a") as board:
        assert writers == [], "no file before there is something to write"
        board(record(5))
        board(record(6))
        board(record(7, validation=2.0))
    (writer,) = writers
    assert not writer.open
    assert writer.said[0] == ("runs/a", 5), "what was written after step 5 is done again"
    rest = [(name, value) for name, value in [("learning_rate", 1e-3), ("gradient_norm", 0.5)]]
    rest += [("rows_per_second", 3.0), ("skipped", 0)]
    assert writer.said[1:] == [
        (5, "train_log_prob", -5.0),
        *((5, *pair) for pair in rest),
        (7, "train_log_prob", -5.0),
        (7, "validation_log_prob", -3.0),
        *((7, *pair) for pair in rest),
    ]


def test_closed_without_a_record(writers):
    TensorBoard("runs/a").close()
    assert writers == []


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RheonError, match=r"pip install 'rheon\[tensorboard\]'"):
        TensorBoard("runs/a")


def test_event_files(tmp_path):
    pytest.importorskip("tensorboard")
    from rheon.architectures import nice

    with TensorBoard(tmp_path) as board:
        for each in train(nice(2), Rows(torch.randn(20, 2)), None, Settings(steps=2, threads=1)):
            board(each)
    assert list(tmp_path.glob("events*"))
