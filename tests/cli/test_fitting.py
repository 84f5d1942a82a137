"""What happens to what was learned when something comes between."""

import os
import signal

import pytest
import torch

import rheon as library
from rheon.cli import fitting
from rheon.cli.run import Run
from rheon.training.descent import Descent
from tests.cli.conftest import config

WORDS = "fit moons --architecture realnvp --threads 1 --steps 500"


pytestmark = pytest.mark.usefixtures("bare", "here")


def _when(monkeypatch, step, act):
    """Acts when training comes to a step."""
    from rheon.cli.progress import Lines

    def update(self, record):
        if record.step == step:
            act()

    monkeypatch.setattr(Lines, "update", update)


def _interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_ends_at_once(monkeypatch, here, rheon):
    def twice():
        _interrupt()
        _interrupt()

    _when(monkeypatch, 40, twice)
    before = signal.getsignal(signal.SIGINT)
    shown = rheon(WORDS)
    assert shown.code == 130
    assert shown.err.endswith("rheon: interrupted; nothing was saved\n")
    assert list(here.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_measuring_keeps_the_model(monkeypatch, here, rheon):
    def measuring(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "figures", measuring)
    shown = rheon(WORDS.replace("500", "5"))
    assert shown.code == 130
    assert "the model is saved in moons.rheon" in shown.err
    library.load(here / "moons.rheon").log_prob([[0.0, 0.0]])


def test_a_fault_while_drawing_does_not_cost_the_model(monkeypatch, here, rheon):
    def drawing(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.delenv("RHEON_DEBUG", raising=False)
    monkeypatch.setattr(fitting, "pictures", drawing)
    assert rheon(WORDS.replace("500", "5")).code == 1
    library.load(here / "moons.rheon").log_prob([[0.0, 0.0]])


def test_a_training_that_broke_saves_nothing(here, rheon):
    shown = rheon("fit moons --threads 1 --steps 3 --learning-rate 1e6")
    assert shown.code == 2
    assert "smaller --learning-rate" in shown.err
    assert list(here.iterdir()) == []


def test_a_training_that_is_given_up_leaves_the_best_model(monkeypatch, here, rheon):
    slope, calls = Descent.slope, []

    def going_bad(self, *args):
        calls.append(1)
        found = slope(self, *args)
        return found if len(calls) < 30 else found._replace(finite=torch.tensor(False))

    monkeypatch.setattr(Descent, "slope", going_bad)
    shown = rheon(WORDS)
    assert shown.code == 5
    assert "after step 34 the last good weights came back" in shown.err
    assert "rheon: training was given up: " in shown.err.splitlines()[-1]
    assert "ended since steps were not finite" in shown.out
    assert config(here / "moons.rheon")["training"]["steps"] == 49
    library.load(here / "moons.rheon").log_prob([[0.0, 0.0]])


def test_early_end_is_told_from_the_budgets_end(here, rheon):
    assert "ended with the budget" in rheon(WORDS.replace("500", "1") + " --out a").out
    shown = rheon("fit moons --architecture spline --threads 1 --steps 60 --learning-rate 0.05 --out b")
    assert "ended early, nothing got better" in shown.out
    assert config(here / "b")["training"]["steps"] < 60


def test_a_closed_pipe_does_not_cost_the_model(monkeypatch, here):
    """What reads our output may go away while we train."""
    said = []

    def say(line=""):
        said.append(line)
        if len(said) > 6:  # the first lines tell what the columns are, and simpler densities
            raise BrokenPipeError

    monkeypatch.setattr(fitting, "say", say)
    with pytest.raises(BrokenPipeError):
        fitting.Fit(Run(data="moons", out="m", architecture="realnvp", training={"steps": 2})).run()
    library.load(here / "m").log_prob([[0.0, 0.0]])
