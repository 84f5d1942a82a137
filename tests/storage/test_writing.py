import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rheon.errors import ModelError
from rheon.storage import CONFIG, WEIGHTS, read_config, read_model, write_model

ONE = {"weight": torch.ones(3)}
TWO = {"weight": torch.full((3,), 2.0)}


def value(path):
    return read_model(path)[1]["weight"][0].item()


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_round_trip_keeps_every_bit(tmp_path, config, tensors):
    path = tmp_path / "digits.rheon"
    write_model(path, config, tensors, {"README.md": "# Größe", "samples.png": b"\x89PNG"})
    read, back = read_model(path)
    assert read == {"format_version": 1, "rheon_version": read["rheon_version"], **config}
    assert list(read["architecture"]["arguments"]) == list(config["architecture"]["arguments"])
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert torch.equal(back[name], tensor)
        assert not back[name].requires_grad
    back["layers.0.weight"].zero_()  # memory of its own
    assert tensors["layers.0.weight"].abs().sum() > 0
    assert (path / "README.md").read_text(encoding="utf-8") == "# Größe"
    assert (path / "samples.png").read_bytes() == b"\x89PNG"
    assert sorted(os.listdir(path)) == ["README.md", "config.json", "model.safetensors", "samples.png"]
    assert os.listdir(tmp_path) == ["digits.rheon"]


def test_the_same_model_gives_the_same_bytes(tmp_path, config, tensors):
    write_model(tmp_path / "a", config, tensors)
    write_model(tmp_path / "b", config, dict(reversed(tensors.items())))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_folder_has_the_usual_permissions(tmp_path, config):
    write_model(tmp_path / "a", config, ONE)
    (tmp_path / "usual").mkdir()
    (tmp_path / "usual" / "file").write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "a" / CONFIG).stat().st_mode == (tmp_path / "usual" / "file").stat().st_mode


def test_what_stands_there_is_replaced_only_on_demand_and_only_a_model(tmp_path, config):
    path = tmp_path / "model"
    write_model(path, config, ONE, {"samples.png": b"old"})
    with pytest.raises(ModelError, match="exists already; choose another name, or pass overwrite=True"):
        write_model(path, config, TWO)
    assert value(path) == 1
    write_model(path, config, TWO, overwrite=True)
    assert value(path) == 2
    assert sorted(os.listdir(path)) == [CONFIG, WEIGHTS]
    for name, content in {"thesis": "thesis.tex", "other": CONFIG, "nothing": None}.items():
        folder = tmp_path / name
        folder.mkdir()
        if content:
            (folder / content).write_text('{"model_type": "bert"}')
        with pytest.raises(ModelError, match="not a model of rheon; it is left alone"):
            write_model(folder, config, ONE, overwrite=True)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ModelError, match="left alone"):
        write_model(tmp_path / "file", config, ONE, overwrite=True)
    assert (tmp_path / "file").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["file", "model", "nothing", "other", "thesis"]


def test_a_damaged_model_may_be_replaced(tmp_path, config):
    write_model(tmp_path / "m", config, ONE)
    (tmp_path / "m" / WEIGHTS).unlink()
    write_model(tmp_path / "m", config, TWO, overwrite=True)
    assert value(tmp_path / "m") == 2


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, config):
    write_model(tmp_path / "run1", config, ONE)
    (tmp_path / "latest").symlink_to("run1")
    write_model(tmp_path / "latest", config, TWO, overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert value(tmp_path / "run1") == 2
    assert sorted(os.listdir(tmp_path)) == ["latest", "run1"]


CALLS = ["write", "fsync", "mkdir", "rename", "open"]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("old", [True, False])
def test_a_failure_at_any_call_leaves_the_old_model_and_no_litter(tmp_path, config, monkeypatch, name, old):
    """The n-th call of each kind fails, for every n until the writing succeeds."""
    path = tmp_path / "model"
    if old:
        write_model(path, config, ONE, {"note.txt": "old"})
    before = contents(tmp_path)
    original = getattr(os, name)
    for n in range(60):
        count = 0

        def failing(*args, n=n, **kwargs):
            nonlocal count
            count += 1
            if count == n + 1:
                raise OSError(28, "No space left on device")
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing)
            try:
                write_model(path, config, TWO, {"note.txt": "new"}, overwrite=True)
            except ModelError:
                assert contents(tmp_path) == before
            else:
                break
    assert n > 0
    assert value(path) == 2
    write_model(
        path, config, ONE, overwrite=True
    )  # the call that failed may have been in the removal of the old
    assert os.listdir(tmp_path) == ["model"]


def test_an_interrupt_leaves_the_old_model_and_no_litter(tmp_path, config, monkeypatch):
    path = tmp_path / "model"
    write_model(path, config, ONE)
    rename, calls = Path.rename, []

    def interrupted(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_model(path, config, TWO, overwrite=True)
    assert value(path) == 1
    assert os.listdir(tmp_path) == ["model"]


KILLED = """
import os, pathlib, signal, sys, torch
from rheon.storage import write_model

def killing(original):
    def call(*args, **kwargs):
        global count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return call

for name in ("rename", "mkdir"):
    setattr(pathlib.Path, name, killing(getattr(pathlib.Path, name)))
for name in ("fsync", "rmdir"):
    setattr(os, name, killing(getattr(os, name)))
config = {"kind": "image", "architecture": {"name": "nice", "arguments": {}}}
for count in map(int, sys.argv[2:]):
    child = os.fork()
    if not child:
        write_model(f"{sys.argv[1]}/{count}", config, {"weight": torch.full((3,), 2.0)}, overwrite=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


def test_a_killed_process_leaves_the_old_model_or_the_new_one(tmp_path, config):
    # 1 mkdir, 2-4 fsync of files and folder, 5 and 6 renames, 7 fsync of the parent, 8 the old one goes
    expected = {4: 1, 5: 1, 6: 1, 7: 2, 8: 2}
    for call in expected:
        write_model(tmp_path / str(call), config, ONE)
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, *map(str, expected)], check=True)
    assert not (tmp_path / "6").exists()  # between the two renames: the model is found where it stepped aside
    for call, number in expected.items():
        path = tmp_path / str(call)
        assert value(path) == number
        assert read_config(path)["kind"] == "image"
        # and the next writing settles what was left
        with pytest.raises(ModelError, match="exists already"):
            write_model(path, config, ONE)
        assert value(path) == number
        write_model(path, config, {"weight": torch.full((3,), 3.0)}, overwrite=True)
        assert value(path) == 3
    left = sorted(name for name in os.listdir(tmp_path) if not name.endswith(".part"))
    assert left == sorted(map(str, expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "video"}, "kind 'video'"),
        ({"architecture": {"name": "nice"}}, "architecture"),
        ({"figures": {"bits": float("nan")}}, "cannot be written as JSON"),
        ({"figures": {"bits": torch.ones(1)}}, "cannot be written as JSON"),
        ({"figures": {1: 1, "1": 2}}, "a name occurs twice"),
        ({"data": "x" * (1 << 20)}, "at most 1,048,576"),
        ({"Data": 1}, "the name 'Data'"),
    ],
)
def test_a_config_that_could_not_be_read_back_is_not_written(tmp_path, config, change, message):
    with pytest.raises(ModelError, match=message):
        write_model(tmp_path / "m", {**config, **change}, ONE)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": torch.tensor([1.0, float("nan")])}, "'a' holds NaN"),
        ({"a": torch.tensor([1j])}, "tensor 'a'"),
        ({"a/b": torch.ones(1)}, "tensor 'a/b'"),
    ],
)
def test_tensors_that_could_not_be_read_back_are_not_written(tmp_path, config, tensors, message):
    with pytest.raises(ModelError, match=message):
        write_model(tmp_path / "m", config, tensors)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["../a", "a/b", ".hidden", "", CONFIG, WEIGHTS, "a\n", "x" * 200])
def test_names_of_files_are_plain(tmp_path, config, name):
    with pytest.raises(ModelError, match="cannot be the name"):
        write_model(tmp_path / "m", config, ONE, {name: "text"})
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path, config):
    with pytest.raises(ModelError, match=r"could not write .*no/model: No such file or directory"):
        write_model(tmp_path / "no" / "model", config, ONE)


def test_a_model_takes_the_place_of_its_checkpoint(tmp_path, config):
    path = tmp_path / "m"
    (path / "checkpoint" / "step-12").mkdir(parents=True)
    with pytest.raises(ModelError, match="exists already"):
        write_model(path, config, ONE)
    write_model(path, config, ONE, overwrite=True)
    assert sorted(os.listdir(path)) == [CONFIG, WEIGHTS]
    assert os.listdir(tmp_path) == ["m"]
