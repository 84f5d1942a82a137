import json

import pytest

from rheon.errors import ModelError, RheonError
from rheon.training import Checkpoints, Record, Settings
from rheon.training.checkpoints import Nowhere, Saved
from rheon.training.processes import Alone
from rheon.training.shared import Shared

SETTINGS = Settings(steps=10)
RECORD = Record(1, 0.5, 2.0, 3.0, 1e-3, None, False, 1, None, float("nan"), 2.5, 0)


class Process(Alone):
    """One of two, that hears what the other has said."""

    count = 2

    def __init__(self, rank, heard=None):
        self.rank, self.heard = rank, heard

    def first_text(self, text):
        self.heard = text if self.rank == 0 else self.heard
        return self.heard


class Found(Nowhere):
    """A first process's checkpoints."""

    def __init__(self, saved, **identity):
        super().__init__()
        self.identity, self.saved = identity, saved

    def open(self, settings):
        if isinstance(self.saved, Exception):
            raise self.saved
        return self.saved


def told_by(found, settings=SETTINGS):
    first = Process(0)
    Shared(found, first).open(settings)
    return first.heard


def test_the_others_hear_numbers_and_records_and_touch_no_disk(tmp_path):
    heard = told_by(Found(Saved({"steps": 7}, {}, [RECORD]), data="f1ff"))
    own = Checkpoints(tmp_path / "m" / "checkpoint")
    own.identity["data"] = "f1ff"
    other = Shared(own, Process(1, heard))
    saved = other.open(SETTINGS)
    assert (saved.numbers, saved.tensors) == ({"steps": 7}, None)
    assert json.dumps([r.as_dict() for r in saved.records]) == json.dumps([RECORD.as_dict()])
    assert own.step == 7
    assert other.save()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_was_saved_the_others_begin_too():
    assert Shared(Nowhere(), Process(1, told_by(Nowhere()))).open(SETTINGS) is None


@pytest.mark.parametrize("own", [{"data": "b585"}, {"data": "f1ff", "kind": "image"}, {}])
def test_another_process_with_other_data_is_refused(own):
    other = Shared(Found(None, **own), Process(1, told_by(Found(None, data="f1ff"))))
    with pytest.raises(RheonError, match="process 1 differs from the first in"):
        other.open(SETTINGS)


def test_another_process_with_other_settings_is_refused():
    other = Shared(Nowhere(), Process(1, told_by(Nowhere())))
    with pytest.raises(RheonError, match=r"steps \(10 then, 20 now\)"):
        other.open(Settings(steps=20))


def test_what_the_first_cannot_go_on_with_ends_all():
    first, found = Process(0), Found(ModelError("no checkpoint is whole"))
    with pytest.raises(ModelError, match="whole"):
        Shared(found, first).open(SETTINGS)
    with pytest.raises(RheonError, match="no checkpoint is whole"):
        Shared(Nowhere(), Process(1, first.heard)).open(SETTINGS)
