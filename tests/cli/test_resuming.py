"""A fit that is stopped, by a signal or by the disk, and what the same command then makes of it."""

import errno
import json
import os
import signal
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import rheon as library
from rheon.cli.progress import Lines
from rheon.errors import ModelError
from rheon.storage import is_unfinished
from tests.cli.conftest import config

WORDS = "fit moons --architecture realnvp --threads 1 --steps 60 --learning-rate 0.0002"
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 138}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch, here):
    monkeypatch.setattr("rheon.cli.data.TOY_ROWS", 200)


@pytest.fixture
def at_step(monkeypatch):
    """Acts once, when a step is shown."""

    def when(step, act):
        acts = [act]

        def update(self, record):
            if record.step == step and acts:
                acts.pop()()

        monkeypatch.setattr(Lines, "update", update)

    return when


def send(*signals):
    return lambda: [os.kill(os.getpid(), number) for number in signals]


def result(folder):
    """The weights, and of the log what does not hang on the clock."""
    log = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    steps = [(line["step"], line["loss"], line["validation"]) for line in log]
    return sha256((folder / "model.safetensors").read_bytes()).hexdigest(), steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The fit that nobody stops."""
    from rheon.cli import main

    out = tmp_path_factory.mktemp("whole") / "m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rheon.cli.data.TOY_ROWS", 200)
        assert main([*WORDS.split(), "--out", str(out)]) == 0
    return result(out)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_stops_after_the_step_and_the_same_command_goes_on(here, rheon, at_step, whole, number):
    handlers = [signal.getsignal(each) for each in SIGNALS]
    at_step(40, send(number))
    stopped = rheon(WORDS)
    assert stopped.code == SIGNALS[number]
    assert stopped.err.endswith(
        f"stopped by {number.name}: step 40 is saved in moons.rheon, and the same command goes on from "
        "there\n"
    )
    assert [signal.getsignal(each) for each in SIGNALS] == handlers
    assert os.listdir(here / "moons.rheon") == ["checkpoint"]
    with pytest.raises(ModelError, match="rheon is unfinished: its training was interrupted"):
        library.load(here / "moons.rheon")
    assert rheon("info moons.rheon").code == 3
    resumed = rheon(WORDS)
    assert resumed.code == 0
    assert resumed.err == "goes on after step 40, from the checkpoint in moons.rheon/checkpoint\n"
    assert result(here / "moons.rheon") == whole
    assert not (here / "moons.rheon" / "checkpoint").exists()
    assert "figures" in config(here / "moons.rheon")
    assert os.listdir(here) == ["moons.rheon"]
    assert rheon(WORDS).code == 2, "what is finished is not fitted again"


def test_stopped_at_the_last_step_only_the_rest_is_left_to_do(here, rheon, at_step, whole):
    at_step(len(whole[1]), send(signal.SIGTERM))
    assert rheon(WORDS).code == 143
    assert rheon(WORDS).code == 0
    assert result(here / "moons.rheon") == whole


def test_a_second_ctrl_c_does_no_harm_to_what_is_saved(here, rheon, at_step, whole):
    at_step(20, send(signal.SIGTERM))
    rheon(WORDS)
    at_step(30, send(signal.SIGINT, signal.SIGINT))
    stopped = rheon(WORDS)
    assert stopped.code == 130
    assert stopped.err.endswith("step 20 is saved in moons.rheon, and the same command goes on from there\n")
    assert rheon(WORDS).code == 0
    assert result(here / "moons.rheon") == whole


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (" --seed 1", "seed (0 then, 1 now)"),
        (" --batch-size 50", "batch_size (512 then, 50 now)"),
        (" --test-share 0.3", "test_share (0.2 then, 0.3 now)"),
        (" --architecture nice", "architecture (realnvp then, nice now)"),
    ],
)
def test_another_run_is_refused_by_what_differs_until_fresh(here, rheon, at_step, monkeypatch, change, says):
    at_step(4, send(signal.SIGTERM))
    rheon(WORDS)
    words = WORDS.replace(" --architecture realnvp", "") if "architecture" in change else WORDS
    with monkeypatch.context() as patched:
        if "architecture" not in change:  # refused before anything that takes its time
            patched.setattr("rheon.cli.fitting.baselines", None)
        refused = rheon(words + change)
    assert refused.code == 2
    assert says in refused.err
    assert "--fresh" in refused.err
    assert is_unfinished(here / "moons.rheon")
    fresh = rheon(words.replace("60", "3") + change + " --fresh")
    assert (fresh.code, fresh.err) == (0, "")
    assert len((here / "moons.rheon" / "training.jsonl").read_text().splitlines()) <= 3


def test_a_run_goes_on_for_longer_where_asked_for(here, rheon, at_step, whole):
    at_step(40, send(signal.SIGTERM))
    rheon(WORDS)
    longer = WORDS.replace("60", "80")
    assert rheon(longer).code == 2
    extended = rheon(longer + " --extend")
    assert extended.code == 0
    assert "goes on with a larger budget" in extended.err
    steps = result(here / "moons.rheon")[1]
    assert steps[:40] == whole[1][:40]
    assert len(steps) == 80
    assert rheon(WORDS + " --extend --fresh --overwrite").code == 2


def test_other_data_are_refused(here, rheon, at_step):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    np.save("rows.npy", rows)
    words = "fit rows.npy --architecture nice --threads 1 --steps 5"
    at_step(2, send(signal.SIGTERM))
    assert rheon(words).code == 143
    rows[7, 1] += 1e-9
    np.save("rows.npy", rows)
    refused = rheon(words)
    assert refused.code == 2
    assert "holds an unfinished run that differs in data: give the same" in refused.err


def test_images_go_on_too(here, rheon, at_step):
    words = "fit digits --threads 1 --steps 4 --batch-size 16"
    at_step(2, send(signal.SIGUSR1))
    assert rheon(f"{words} --out a").code == 138
    assert rheon(f"{words} --out a").code == 0
    assert rheon(f"{words} --out b").code == 0
    assert result(here / "a") == result(here / "b")


def test_finish_makes_a_model_of_what_was_learned(here, rheon, at_step):
    assert rheon(f"{WORDS} --finish").code == 2
    assert list(here.iterdir()) == []
    at_step(1, send(signal.SIGINT))
    rheon(WORDS)
    shown = rheon(f"{WORDS} --finish")
    assert (shown.code, "let it go on" in shown.err) == (2, True)
    at_step(40, send(signal.SIGINT))
    assert "goes on after step 1," in rheon(WORDS).err
    shown = rheon(f"{WORDS} --finish")
    assert shown.code == 0
    facts = config(here / "moons.rheon")["training"]
    assert (facts["steps"], facts["ended"]) == (40, "on request")
    assert 0 < facts["best_step"] <= 40
    library.load(here / "moons.rheon").log_prob([[0.0, 0.0]])


def test_the_old_model_stays_while_its_successor_is_unfinished(here, rheon, at_step, whole):
    assert rheon(WORDS.replace("60", "3")).code == 0
    old = result(here / "moons.rheon")
    at_step(40, send(signal.SIGTERM))
    assert rheon(f"{WORDS} --overwrite").code == 143
    assert result(here / "moons.rheon") == old
    library.load(here / "moons.rheon")
    assert rheon(WORDS).code == 2
    assert "goes on after step 40" in rheon(f"{WORDS} --overwrite").err
    assert result(here / "moons.rheon") == whole
    assert not (here / "moons.rheon" / "checkpoint").exists()


def test_a_fit_that_was_killed_between_the_two_renames_of_its_end(here, rheon, at_step, whole):
    at_step(40, send(signal.SIGTERM))
    rheon(WORDS)
    (here / "moons.rheon").rename(here / ".moons.rheon.rheon-old")
    assert "goes on after step 40" in rheon(WORDS).err
    assert result(here / "moons.rheon") == whole
    assert os.listdir(here) == ["moons.rheon"]


@pytest.mark.parametrize("file", ["notes.txt", "checkpoint/weights.bin"])
def test_a_folder_of_somebody_else_is_left_alone(here, rheon, file):
    (here / "moons.rheon" / "checkpoint").mkdir(parents=True)
    (here / "moons.rheon" / file).write_text("mine")
    shown = rheon(WORDS)
    assert (shown.code, "is not a model of rheon" in shown.err) == (2, True)
    assert (here / "moons.rheon" / file).read_text() == "mine"


def fill_the_disk(monkeypatch, where):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(where, full)


def test_a_disk_that_is_full_at_the_end_leaves_the_checkpoint(here, rheon, monkeypatch, whole):
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "rheon.storage.writing.write_flushed")
        shown = rheon(WORDS)
    assert shown.code == 4
    assert "No space left on device" in shown.err
    assert shown.err.endswith("the same command goes on from the last checkpoint\n")
    assert rheon(WORDS).code == 0
    assert result(here / "moons.rheon") == whole


def test_a_disk_that_is_full_from_the_first_checkpoint_to_the_end(here, rheon, monkeypatch):
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "os.fsync")
        shown = rheon(WORDS)
    assert shown.code == 4
    warning, last = shown.err.splitlines()
    assert warning.startswith(
        "could not save a checkpoint in moons.rheon/checkpoint: No space left on device; none"
    )
    assert last.endswith("what was learned is lost")
    assert not (here / "moons.rheon" / "model.safetensors").exists()


def test_a_signal_while_the_disk_is_full(here, rheon, at_step, monkeypatch, whole):
    at_step(20, send(signal.SIGTERM))
    rheon(WORDS)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "os.fsync")
        at_step(30, send(signal.SIGTERM))
        shown = rheon(WORDS)
    assert shown.code == 4
    assert "the checkpoint of step 20 stays" in shown.err
    assert rheon(WORDS).code == 0
    assert result(here / "moons.rheon") == whole


def test_a_disk_that_is_full_for_the_pictures_only(here, rheon, monkeypatch):
    def drawing(*_):
        fill_the_disk(monkeypatch, "rheon.storage.writing.write_flushed")
        return {}

    monkeypatch.setattr("rheon.cli.fitting.pictures", drawing)
    shown = rheon(WORDS)
    assert shown.code == 4
    assert shown.err.endswith("the model is saved, its figures and pictures are not\n")
    library.load(here / "moons.rheon").log_prob([[0.0, 0.0]])


def test_a_table_larger_than_memory_goes_on_to_the_same_weights(here, rheon, at_step, bare, monkeypatch):
    monkeypatch.setattr("rheon.tables.streaming.memory_limit", lambda: 0)
    x = np.random.default_rng(0).normal(size=(3000, 3))
    columns = dict(zip("abc", x.T, strict=True))
    parquet.write_table(pa.table(columns), here / "t.parquet", row_group_size=700)
    words = "fit t.parquet --architecture realnvp --threads 1 --steps 40"
    shown = rheon(f"{words} --out whole")
    assert "too large for memory, so read in parts" in shown.out
    assert "2,160 rows to learn from, 240 to choose weights by, 600 to test" in shown.out
    at_step(17, send(signal.SIGTERM))
    assert rheon(f"{words} --out m").code == 143
    assert rheon(f"{words} --out m").code == 0
    assert result(here / "m") == result(here / "whole")
