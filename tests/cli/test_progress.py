import io
import math
import re

import pytest
import torch
from rich.console import Console

from rheon.cli import progress
from rheon.training import Record, Unit


def _record(step=400, seconds=10.0, remaining=30.0, loss=88.0, validation=None):
    zero = torch.tensor(0.0)
    return Record(
        step=step,
        seconds=seconds,
        remaining=remaining,
        rows_per_second=1432.4,
        learning_rate=1e-3,
        validation=validation,
        best=False,
        threads=1,
        trouble=None,
        _loss=torch.tensor(loss),
        _gradient_norm=zero,
        _skipped=zero,
    )


UNIT = Unit.bits_per_dim((1, 8, 8))


def _frames(width, records):
    """What a terminal of this width shows, one text for each refresh."""
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False
    )
    bar = progress.Bar(UNIT, "images", console)
    bar.every = 0
    with bar:
        for record in records:
            bar.update(record)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    return [frame for frame in re.split(r"[\r\n]+", text) if frame.strip()]


def test_the_line_says_where_training_stands():
    shown = _frames(120, [_record(validation=90.0)])[0]
    assert "step 400  bits/dim train 1.984  validation 2.029  1,432 images/s  at most 0:30 left" in shown
    assert "━" in shown


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 200])
def test_any_width_holds_one_line(width):
    frames = _frames(width, [_record(), _record(validation=90.0)])
    assert len(frames) >= 2
    assert max(map(len, frames)) <= width
    if width >= 40:
        assert "validation 2.029  at most 0:30 left" in frames[-1] or "images/s" in frames[-1]


def test_validation_is_kept_and_training_averaged():
    records = [_record(loss=80.0, validation=90.0), _record(loss=100.0)]
    assert f"train {UNIT(90.0):.3f}  validation {UNIT(90.0):.3f}" in _frames(120, records)[-1]


def test_no_terminal_gets_a_plain_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress(UNIT, "images") as shown:
        assert isinstance(shown, progress.Lines)
        for second in range(90):
            now[0] = float(second)
            shown.update(_record(seconds=second, remaining=90 - second))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 5
    assert lines[0] == f"step 400  bits/dim train {UNIT(88.0):.3f}  1,432 images/s  at most 1:15 left"


def test_a_long_run_does_not_fill_a_log(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress(UNIT, "images") as shown:
        for minute in range(600):
            now[0] = 60.0 * minute
            shown.update(_record(seconds=now[0], remaining=36_000 - now[0]))
    assert len(capsys.readouterr().err.splitlines()) <= 20


def test_a_short_run_is_quiet(capsys):
    with progress.progress(UNIT, "images") as shown:
        for _ in range(100):
            shown.update(_record())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("terminal", "kind"), [({"TERM": "dumb"}, progress.Lines), ({}, progress.Bar)])
def test_kind_follows_the_terminal(monkeypatch, terminal, kind):
    monkeypatch.setenv("TERM", terminal.get("TERM", "xterm"))
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich: as if it were a terminal
    assert isinstance(progress.progress(UNIT, "images"), kind)


def test_odd_losses_are_shown():
    assert "train nan" in _frames(100, [_record(loss=math.nan)])[0]


def test_baselines_stand_beside_where_there_is_room(capsys, monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    records = [_record(validation=90.0)]
    shown = progress.Bar(UNIT, "images", console, {"one Gaussian": 2.31, "Gaussian mixture": 1.9})
    shown.update(records[0])
    assert shown.parts(records[0])[-1][1] == "(one Gaussian 2.310, Gaussian mixture 1.900)"
    assert max(shown.parts(records[0])) == shown.parts(records[0])[-1], "the first to go where room is short"
