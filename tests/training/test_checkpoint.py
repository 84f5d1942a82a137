import os

import pytest
import torch

from rheon.errors import ModelError
from rheon.training.checkpoint import checkpoints_in, read_checkpoint, remove_parts, write_checkpoint

NUMBERS = {"steps": 3, "third": 1 / 3, "none": None}


def tensors():
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    return {
        "turned": weight.T,
        "shared": weight,
        "one number expanded": torch.ones(1).expand(5),
        "infinite": torch.tensor([float("inf"), float("nan")]),
        "flag": torch.tensor(True),
        "count": torch.tensor(7),
        "double": weight.double(),
    }


def test_a_round_trip_keeps_every_bit(tmp_path):
    write_checkpoint(tmp_path, 3, NUMBERS, tensors())
    numbers, back = read_checkpoint(tmp_path / "step-3")
    assert numbers == NUMBERS
    assert back.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back[name].dtype == tensor.dtype
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_the_newest_comes_first_and_what_was_not_put_in_place_does_not_count(tmp_path):
    for step in (9, 100, 20):
        write_checkpoint(tmp_path, step, NUMBERS, {})
    (tmp_path / "step-300.part").mkdir()
    (tmp_path / "step-x").mkdir()
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step-100", "step-20", "step-9"]
    remove_parts(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["step-100", "step-20", "step-9", "step-x"]


def test_what_failed_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(tmp_path, 3, NUMBERS, tensors())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"state.json": 3}', b"[" * 100_000, b"\xff"])
def test_a_manifest_of_something_else_is_refused(tmp_path, content):
    write_checkpoint(tmp_path, 3, NUMBERS, {})
    (tmp_path / "step-3" / "MANIFEST.json").write_bytes(content)
    with pytest.raises(ModelError, match="step-3"):
        read_checkpoint(tmp_path / "step-3")
