"""A run that was interrupted and goes on is, to the bit, the run that was not."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rheon.architectures import realnvp
from rheon.bijections import BatchNorm, Composition
from rheon.errors import ModelError, RheonError
from rheon.flow import Flow
from rheon.training import Checkpoints, Rows, Settings, fingerprint, train
from rheon.training.schedule import learning_rate

SETTINGS = Settings(steps=24, batch_size=64, validate_every=0.2, threads=1, seed=3)


def flow() -> Flow:
    """With ActNorm, whose first values come from data, and BatchNorm, whose buffers move."""
    inner = realnvp(3, couplings=2, hidden=(8,))
    return Flow(Composition([BatchNorm(3), inner.bijection]), inner.base, inner.event_shape)


def digest(module: nn.Module) -> str:
    content = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        content.update(name.encode() + tensor.numpy().tobytes())
    return content.hexdigest()


class Run:
    """A run in a folder, each part of it in a flow of its own, as a new process would have it."""

    def __init__(self, folder: Path, rows: torch.Tensor, settings: Settings = SETTINGS) -> None:
        self.folder, self.settings, self.told = folder / "m" / "checkpoint", settings, []
        self.source, self.held_out = Rows(rows[:300], noise=0.1), Rows(rows[300:])

    def go(self, until: int | None = None, every: float = 1e9, save: bool = True, **options):
        """The records, and the digest of the flow; ``until``: stopped after that step, saved or not."""
        trained, records = flow(), []
        self.checkpoints = Checkpoints(self.folder, every, tell=self.told.append, **options)
        run = train(trained, self.source, self.held_out, self.settings, self.checkpoints)
        if until != 0:
            for record in run:
                records.append(record)
                if record.step == until:
                    assert not save or self.checkpoints.save()
                    break
        run.close()
        return records, digest(trained)


def seen(records):
    """What of the records does not hang on the clock."""
    return [(r.step, r.loss, r.gradient_norm, r.validation, r.best, r.learning_rate) for r in records]


@pytest.fixture
def whole(rows):
    """The run that nobody interrupts, and that keeps nothing."""
    trained = flow()
    source, held_out = Rows(rows[:300], noise=0.1), Rows(rows[300:])
    return seen(train(trained, source, held_out, SETTINGS)), digest(trained)


@pytest.mark.parametrize("stops", [(0,), (1,), (12,), (23,), (24,), (1, 2, 11, 20)])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path, rows, whole, stops):
    run = Run(tmp_path, rows)
    for stop in stops:
        run.go(until=stop)
    torch.manual_seed(99)
    records, weights = run.go()
    assert (seen(records), weights) == whole
    assert (f"goes on after step {stops[-1]}, from the checkpoint in {run.folder}" in run.told) == (
        stops != (0,)
    )


def test_what_was_done_after_the_last_checkpoint_is_done_again_to_the_bit(tmp_path, rows, whole):
    run = Run(tmp_path, rows)
    run.go(until=7)
    run.go(until=15, save=False)
    records, weights = run.go()
    assert (seen(records), weights) == whole
    assert run.told == [f"goes on after step 7, from the checkpoint in {run.folder}"] * 2
    assert [r.step for r in records] == list(range(1, 25))


def test_saving_at_every_step_changes_nothing_and_keeps_the_last_two(tmp_path, rows, whole):
    run = Run(tmp_path, rows)
    records, weights = run.go(every=0.0)
    assert (seen(records), weights) == whole
    assert sorted(os.listdir(run.folder)) == ["step-23", "step-24", "training.jsonl"]
    assert len((run.folder / "training.jsonl").read_text().splitlines()) == 24


def test_early_stopping_and_the_best_weights_outlive_an_interruption(tmp_path, rows):
    settings = Settings(
        steps=200, batch_size=64, validate_every=0.01, patience=0.1, threads=1, learning_rate=0.1
    )
    records, weights = Run(tmp_path, rows, settings).go()
    shutil.rmtree(tmp_path / "m")
    last, best = records[-1].step, max(r.step for r in records if r.best)
    assert best + 15 < last < 190, "ended early, with the best weights some steps back"
    run = Run(tmp_path, rows, settings)
    for stop in (best - 1, best, last - 1, last):
        run.go(until=stop)
    again, same = run.go()
    assert (seen(again), same) == (seen(records), weights)


def test_the_thread_count_is_that_of_the_first_process(tmp_path, rows, monkeypatch):
    settings = Settings(steps=4, batch_size=64)
    run = Run(tmp_path, rows, settings)
    monkeypatch.setattr("rheon.training.run.choose_threads", lambda *_: 2)
    run.go(until=2)
    monkeypatch.setattr("rheon.training.run.choose_threads", lambda *_: 1)
    assert [r.threads for r in run.go()[0]] == [2] * 4


def test_minutes_that_are_spent_stay_spent(tmp_path, rows):
    settings = Settings(minutes=1.0, batch_size=64, threads=1)
    run = Run(tmp_path, rows, settings)
    first, _ = run.go(until=20)
    again, _ = run.go(until=21)
    assert seen(again[:20]) == seen(first)
    assert first[-1].seconds < again[-1].seconds < first[-1].seconds + 1.0
    assert again[-1].remaining < first[-1].remaining
    assert again[-1].learning_rate > first[-1].learning_rate, "further along the warm-up"


def test_other_settings_or_data_are_refused_by_name(tmp_path, rows):
    Run(tmp_path, rows).go(until=3)
    other = Run(tmp_path, rows, Settings(steps=30, batch_size=64, validate_every=0.2, threads=1, seed=4))
    with pytest.raises(RheonError, match=r"differs in steps \(24 then, 30 now\), seed \(3 then, 4 now\): "):
        other.go()
    Run(tmp_path, rows).go(until=4)  # neither harmed nor held
    same = Run(tmp_path, rows)
    checkpoints = Checkpoints(same.folder, tell=same.told.append)
    checkpoints.identity["data"] = fingerprint(rows.numpy())
    with pytest.raises(RheonError, match="differs in data: "):
        next(train(flow(), same.source, None, SETTINGS, checkpoints))


def test_what_differs_is_foreseen_before_the_data_are_known(tmp_path, rows):
    Run(tmp_path, rows).go(until=3)
    folder = Run(tmp_path, rows).folder
    for name, value in (("steps", 30), ("batch_size", 32), ("seed", 4)):
        with pytest.raises(RheonError, match=f"differs in {name} "):
            Checkpoints(folder).foresee(replace(SETTINGS, **{name: value}))
    other = Checkpoints(folder)
    other.identity["share"] = 0.5
    with pytest.raises(RheonError, match="differs in share "):
        other.foresee(SETTINGS)
    Checkpoints(folder).foresee(SETTINGS)
    Checkpoints(folder, fresh=True).foresee(replace(SETTINGS, seed=4))
    Checkpoints(folder, extend=True).foresee(replace(SETTINGS, steps=30))
    Checkpoints(tmp_path / "none").foresee(SETTINGS)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("stop", [12, 24])
def test_a_larger_budget_is_taken_where_asked_for(tmp_path, rows, whole, stop):
    longer = replace(SETTINGS, steps=48)
    Run(tmp_path, rows).go(until=stop)
    with pytest.raises(RheonError, match=r"steps \(24 then, 48 now\): .* with --extend"):
        Run(tmp_path, rows, longer).go()
    with pytest.raises(RheonError, match=r"steps \(24 then, 20 now\)"):
        Run(tmp_path, rows, replace(SETTINGS, steps=20)).go(extend=True)
    run = Run(tmp_path, rows, longer)
    run.go(until=30, extend=True)
    assert run.told[1] == "goes on with a larger budget: the bits are not those of a run that began with it"
    records, _ = Run(tmp_path, rows, longer).go()  # from there on it is a run of the larger budget
    assert [record.step for record in records] == list(range(1, 49))
    assert seen(records[:stop]) == whole[0][:stop]
    rates = [
        learning_rate((step + 0.5) / 48, longer.learning_rate, longer.warmup) for step in range(stop, 48)
    ]
    assert [record.learning_rate for record in records[stop:]] == rates
    validated = [record.step for record in records if record.validation is not None]
    assert max(after - before for before, after in pairwise(validated)) <= 0.2 * 48 + 1
    assert validated[-1] == 48


def test_another_flow_is_refused(tmp_path, rows):
    run = Run(tmp_path, rows)
    run.go(until=10)
    other = realnvp(3)
    with pytest.raises(ModelError, match="one of another flow"):
        next(train(other, run.source, run.held_out, SETTINGS, Checkpoints(run.folder, tell=print)))
    assert torch.isfinite(other(torch.zeros(1, 3))).all(), "left as it was set up"
    assert (run.folder / "step-10").is_dir()


def test_another_version_is_said(tmp_path, rows, monkeypatch):
    run = Run(tmp_path, rows)
    run.go(until=3)
    monkeypatch.setattr(np, "__version__", "0.1")
    run.go(until=4)
    assert any("the bits may differ" in line and "0.1 now" in line for line in run.told)


def test_fresh_begins_anew(tmp_path, rows, whole):
    run = Run(tmp_path, rows)
    run.go(until=10)
    records, weights = run.go(until=2, save=False, fresh=True)
    assert len(records) == 2
    assert not run.folder.exists()
    records, weights = run.go()
    assert (seen(records), weights) == whole
    assert run.told == []


@pytest.mark.parametrize("file", ["state.json", "state.safetensors", "MANIFEST.json"])
@pytest.mark.parametrize("damage", ["bit", "short", "gone"])
def test_a_damaged_checkpoint_is_left_out_aloud_for_the_one_before(tmp_path, rows, whole, file, damage):
    run = Run(tmp_path, rows)
    run.go(until=5)
    run.go(until=9)
    path = run.folder / "step-9" / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if damage == "bit" else data[:-1])
    run.told.clear()
    records, weights = run.go()
    assert (seen(records), weights) == whole
    assert run.told[0].startswith(f"a checkpoint is left out: {run.folder / 'step-9'}")
    assert run.told[1].startswith("goes on after step 5")


def test_a_log_that_was_cut_takes_its_checkpoint_with_it(tmp_path, rows, whole):
    run = Run(tmp_path, rows)
    run.go(until=5)
    run.go(until=9)
    log = run.folder / "training.jsonl"
    log.write_bytes(log.read_bytes()[:-3])
    assert (seen(run.go()[0]), run.go()[1]) == whole


def test_where_no_checkpoint_is_whole_nothing_is_trained(tmp_path, rows):
    run = Run(tmp_path, rows)
    run.go(until=5)
    (run.folder / "step-5" / "state.json").write_text("{}")
    with pytest.raises(ModelError, match="no checkpoint that is whole; start over"):
        run.go()
    assert (run.folder / "step-5").is_dir(), "left for whoever wants to look"


def test_one_process_at_a_time(tmp_path, rows):
    run = Run(tmp_path, rows)
    records = train(flow(), run.source, None, SETTINGS, Checkpoints(run.folder))
    next(records)
    with pytest.raises(RheonError, match="another process trains there"):
        run.go()
    records.close()
    run.go(until=1)


def test_a_run_that_saved_nothing_leaves_nothing(tmp_path, rows):
    Run(tmp_path, rows).go(until=3, save=False)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_nothing_that_is_saved(tmp_path, rows, whole, monkeypatch):
    """Full from step 6 to 11, while every step is to be saved."""
    run, fsync = Run(tmp_path, rows), os.fsync
    monkeypatch.setattr("rheon.training.checkpoints._SECONDS_TO_RETRY", 0.0)
    trained, records = flow(), []
    checkpoints = Checkpoints(run.folder, 0.0, tell=run.told.append)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for record in train(trained, run.source, run.held_out, SETTINGS, checkpoints):
        records.append(record)
        assert checkpoints.failing == (6 <= record.step <= 11)
        if record.step == 11:
            assert not checkpoints.save()
            kept = [name for name in os.listdir(run.folder) if name.startswith("step-")]
            assert sorted(kept) == ["step-4", "step-5"]
        monkeypatch.setattr(os, "fsync", full if 5 <= record.step < 11 else fsync)
    assert (seen(records), digest(trained)) == whole
    assert len(run.told) == 2
    assert "No space left on device; the checkpoint of step 5 stays" in run.told[0]
    assert "can be saved again: that of step 12" in run.told[1]


def test_a_folder_that_vanishes_is_made_again_with_the_whole_log(tmp_path, rows, whole):
    run = Run(tmp_path, rows)
    checkpoints = Checkpoints(run.folder, 0.0, tell=run.told.append)
    for record in train(flow(), run.source, run.held_out, SETTINGS, checkpoints):
        if record.step == 10:
            shutil.rmtree(tmp_path / "m")
        if record.step == 15:
            break
    records, weights = run.go()
    assert (seen(records), weights) == whole


def test_a_place_that_cannot_be_written_to_is_refused_before_the_first_step(tmp_path, rows):
    (tmp_path / "m").write_text("a file")
    with pytest.raises(RheonError, match="checkpoints cannot be kept in "):
        Run(tmp_path, rows).go()


class Killed(BaseException):
    """After which no file operation of the process happens."""


@pytest.mark.parametrize("keep", [0, 1])
def test_every_prefix_of_a_save_leaves_the_old_or_the_new_checkpoint(tmp_path, rows, monkeypatch, keep):
    """A process that dies before its k-th operation on files, for every k; one checkpoint there, or two."""
    origin = Run(tmp_path, rows)
    for step in (3, 4)[: 1 + keep]:
        origin.go(until=step)
    names = ("open", "write", "pwrite", "ftruncate", "fsync", "close", "mkdir", "rename", "unlink", "rmdir")
    ends, k = [], 0
    while not ends or ends[-1] != "alive":
        k += 1
        (tmp_path / str(k)).mkdir()
        run = Run(tmp_path / str(k), rows)
        shutil.copytree(origin.folder, run.folder)
        checkpoints = Checkpoints(run.folder, 1e9, tell=run.told.append)
        records = train(flow(), run.source, run.held_out, SETTINGS, checkpoints)
        while next(records).step < 6:
            pass
        with monkeypatch.context() as patch:
            left = iter(range(k - 1))

            def dying(function, left=left):
                def call(*arguments, **options):
                    if next(left, None) is None:
                        raise Killed
                    return function(*arguments, **options)

                return call

            for name in names:
                patch.setattr(os, name, dying(getattr(os, name)))
            try:
                checkpoints.save()
                ends.append("alive")
            except Killed:
                ends.append("dead")
        records.close()
        run.told.clear()
        again, _ = run.go(until=8)
        assert [r.step for r in again] == list(range(1, 9))
        old = 4 if keep else 3
        assert run.told in [
            [f"goes on after step {n}, from the checkpoint in {run.folder}"] for n in (old, 6)
        ]
        assert run.checkpoints.step == 8
    assert k > 20, "the shim saw the save"


KILLING = """
import os, signal, sys
from pathlib import Path
import numpy as np
import torch
from rheon.training import Checkpoints
from tests.training.test_checkpoints import Run

def save(self, save=Checkpoints.save):
    save(self)
    if self.step >= 9:
        os.kill(os.getpid(), signal.SIGKILL)

Checkpoints.save = save
torch.set_num_threads(1)
Run(Path(sys.argv[1]), torch.from_numpy(np.load(sys.argv[2]))).go(every=0.0)
"""


def test_a_killed_process_is_gone_on_from(tmp_path, rows, whole):
    np.save(tmp_path / "rows.npy", rows.numpy())
    words = [sys.executable, "-c", KILLING, str(tmp_path), str(tmp_path / "rows.npy")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGKILL, "")
    run = Run(tmp_path, rows)
    records, weights = run.go()
    assert (seen(records), weights) == whole
    assert run.told == [f"goes on after step 9, from the checkpoint in {run.folder}"]
