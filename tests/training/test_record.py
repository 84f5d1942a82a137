import json
import math
from dataclasses import fields, replace

import pytest
import torch

from rheon.training import Record, Unit
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
    told = {"train_nats", "validation_nats"}
    assert set(line) == {field.name.lstrip("_") for field in fields(Record)} - {"unit"} | told
    assert line["step"] == 3
    assert line["loss"] == 4.25
    assert line["skipped"] == 2
    assert line["validation"] is None


def test_likelihoods_are_told_in_the_users_unit():
    told = replace(record(4.0), unit=Unit.mean_log_prob(-1.0), validation=3.0)
    assert told.likelihoods == {"train_log_prob": -5.0, "validation_log_prob": -4.0}
    assert (told.as_dict()["loss"], told.as_dict()["train_log_prob"]) == (4.0, -5.0)
    bits = replace(told, unit=Unit.bits_per_dim((1, 2, 2)), validation=None).likelihoods
    assert bits["train_bits_per_dim"] == pytest.approx(1 / math.log(2))
    assert bits["validation_bits_per_dim"] is None


def test_metrics_are_numbers_with_names_of_their_own():
    metrics = record(4.0).metrics()
    assert metrics == {
        "train_nats": 4.0,
        "learning_rate": 1e-3,
        "gradient_norm": 0.5,
        "rows_per_second": 200.0,
        "skipped": 2,
    }


def test_a_line_is_read_back():
    told = replace(record(4.0), unit=Unit.bits_per_dim((1, 2, 2)))
    back = Record.from_dict(json.loads(json.dumps(told.as_dict())))
    assert replace(back, unit=told.unit).as_dict() == told.as_dict()
