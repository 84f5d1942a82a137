import json
from dataclasses import fields

import torch

from rheon.training import Record
from rheon.training.record import reading


def record(loss) -> Record:
    norm, skipped = reading(torch.tensor(0.5)), reading(torch.tensor(2.0))
    return Record(3, 1.5, 8.5, 200.0, 1e-3, None, False, 1, None, loss, norm, skipped)


def test_numbers_are_read_whether_they_wait_on_a_device_or_not():
    for loss in (torch.tensor(4.25), 4.25):
        assert (record(loss).loss, record(loss).gradient_norm, record(loss).skipped) == (4.25, 0.5, 2)
    assert type(reading(torch.tensor(4.25))) is float
    waiting = torch.empty((), device="meta")
    assert reading(waiting) is waiting


def test_a_log_line_holds_every_field_as_a_plain_number():
    line = json.loads(json.dumps(record(torch.tensor(4.25)).as_dict()))
    assert set(line) == {field.name.lstrip("_") for field in fields(Record)}
    assert line["step"] == 3
    assert line["loss"] == 4.25
    assert line["skipped"] == 2
    assert line["validation"] is None
