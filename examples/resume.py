"""A run that is killed goes on from its last checkpoint, to the bits of a run that never stopped."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import rheon
from rheon.training import Checkpoints, Settings

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
settings = Settings(steps=steps, seed=0, threads=1)
rows = rheon.datasets.TOYS["moons"].sample(2000, seed=0)


def trained(folder: Path, killed_at: int | None = None) -> rheon.TableDensity:
    """Trains; at one step it saves itself and is killed, as a machine that goes down would."""
    model, checkpoints = rheon.TableDensity(), Checkpoints(folder, tell=print)
    for record in model.training(rows, settings, checkpoints):
        if record.step == killed_at:
            checkpoints.save()  # by itself it does so every minute
            os.kill(os.getpid(), signal.SIGKILL)
    return model


if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=trained, args=(Path("run"), steps // 2))
    child.start()
    child.join()
    print("the child ended by signal", -child.exitcode)
    again, whole = trained(Path("run")), trained(Path("other"))
    same = (again.log_prob(rows) == whole.log_prob(rows)).all()
    print("the same bits as without a break:", bool(same))
