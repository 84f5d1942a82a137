"""Two processes that train together learn what one learns."""

import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from rheon.training import Checkpoints
from rheon.training.processes import Alone, ranks
from tests.training.together import trained


def assert_same(one, other, within=1e-12):
    for key in ("weights", "losses"):
        a, b = (np.array(found[key], dtype=float) for found in (one, other))
        np.testing.assert_allclose(a, b, rtol=within, atol=within)
    assert one["facts"] == other["facts"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes found, and the folder with their checkpoints."""
    folder = tmp_path_factory.mktemp("ranks")
    trained(Checkpoints(folder / "b" / "checkpoint"), until=15)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    words = [sys.executable, "-m", "tests.training.together", str(folder)]
    processes = [
        subprocess.Popen(
            words,
            env={**os.environ, **shared, "RANK": str(rank), "TORCHELASTIC_RUN_ID": "test"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 1], errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], folder


@pytest.mark.parametrize(
    ("case", "changes", "within"),
    [
        ("ragged", {}, 1e-12),
        ("one row", {"batch_size": 1}, 1e-12),
        ("pieces", {"accumulate": 3}, 1e-12),
        ("bad", {"bad": True}, 1e-12),
        ("checkpoint", {"memory": "checkpoint"}, 1e-12),
        ("invert", {"memory": "invert"}, 1e-12),
        # A product of networks is rounded to 8 bits, so another order of sums may be another number.
        ("bfloat16", {"precision": "bfloat16", "steps": 10}, 0.02),
    ],
)
def test_two_processes_learn_what_one_learns(pair, case, changes, within):
    (first, second), _ = pair
    alone = trained(**changes)
    assert_same(first[case], alone, within)
    assert second[case] == first[case]
    assert (alone["facts"][-1][1] > 0) == (case == "bad")


def test_they_agree_when_a_budget_in_minutes_is_spent(pair):
    (first, second), _ = pair
    assert second["minutes"] == first["minutes"]


def test_a_run_goes_on_with_another_number_of_processes(pair, tmp_path):
    (first, second), folder = pair
    whole = trained()
    assert_same(first["resumed"], whole)  # 15 steps by one, 25 by two
    assert second["resumed"] == first["resumed"]
    shutil.copytree(folder / "a", tmp_path / "a")
    alone = trained(Checkpoints(tmp_path / "a" / "checkpoint", tell=lambda line: None))
    assert_same(alone, whole)  # 15 steps by two, 25 by one


def test_running_statistics_are_refused(pair):
    for found in pair[0]:
        assert found["statistics"].startswith(
            "bijection.bijections.0 (BatchNorm) takes statistics of the batch"
        )


def test_the_end_of_one_process_leaves_a_checkpoint_of_the_last_whole_step(pair):
    (first, second), folder = pair
    assert first["lost"]["steps"] == first["lost"]["saved"] == 10
    assert "another of the processes that train together has ended" in first["lost"]["error"]
    assert "lost" not in second
    assert (folder / "c" / "checkpoint" / "step-10").is_dir()


def test_without_a_group_a_process_is_alone():
    assert type(ranks()) is Alone
