"""``rheon fit`` under ``torchrun``: two processes, one model."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("here")]

WORDS = ["fit", "moons", "--architecture", "realnvp", "--threads", "1"]


def start(processes, *words):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "rheon", *WORDS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )


def test_two_processes_make_the_model_of_one_and_speak_once(here):
    running = [start(n, "--steps", "40", "--out", f"{n}.rheon") for n in (1, 2)]
    (alone, _), (together, _) = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert len(together.splitlines()) == len(alone.splitlines())
    assert sorted(os.listdir("2.rheon")) == sorted(os.listdir("1.rheon"))
    # In single precision the rounding of the first steps is seen: that of the library's test is double.
    one, two = (config(here / f"{n}.rheon")["figures"]["log_prob"] for n in (1, 2))
    assert two == pytest.approx(one, abs=0.05)


@pytest.mark.parametrize("ending", ["a worker is killed", "SIGTERM", "SIGINT"])
def test_a_job_that_was_ended_goes_on_with_another_number_of_processes(here, ending):
    process = start(2, "--steps", "4000", "--out", "m.rheon")
    log = here / "m.rheon" / "checkpoint"
    while not log.is_dir():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(1.0)
    if ending == "a worker is killed":
        listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        os.kill(int(listed.stdout.split()[-1]), signal.SIGKILL)
    else:
        process.send_signal(signal.Signals[ending])
    started = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - started < 10
    assert process.returncode != 0
    assert list(log.glob("step-*"))
    out, told = start(1, "--steps", "4000", "--out", "m.rheon").communicate(timeout=300)
    assert "goes on after step" in told
    assert "ended" in out
    assert config(here / "m.rheon")["training"]["steps"] > 10
