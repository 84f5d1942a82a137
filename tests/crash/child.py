"""``rheon`` as ``kill9.py`` runs it: saving often, telling each step, and dying inside a save where asked to.

    python child.py SECONDS DIE_AT TRACE WORDS…

SECONDS between two checkpoints; DIE_AT: the number of the file operation, counted over all saves, before
which the process kills itself, 0 for never; TRACE: a file that gets "step time" after each step.
"""

import os
import signal
import sys
import time

from rheon.cli import data, fitting, main
from rheon.storage import writing
from rheon.training import Checkpoints, checkpoints

OPERATIONS = ("open", "write", "pwrite", "ftruncate", "fsync", "mkdir", "rename", "unlink", "rmdir")


def die_inside_saves(at: int) -> None:
    """Counts file operations while a checkpoint or a model is written, and dies before that of a number."""
    depth = count = 0

    def counted(function):
        def call(*arguments, **options):
            nonlocal count
            count += depth > 0
            if depth and count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    def inside(function):
        def call(*arguments, **options):
            nonlocal depth
            depth += 1
            try:
                return function(*arguments, **options)
            finally:
                depth -= 1

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))
    Checkpoints.save = inside(Checkpoints.save)
    writing._put_in_place = inside(writing._put_in_place)
    writing.write_flushed = inside(writing.write_flushed)


def trace_to(path: str) -> None:
    """Writes down each step when it is made, so that what a kill cost can be told."""
    note, file = Checkpoints.note, open(path, "a")  # noqa: SIM115 - for as long as the process lives

    def noting(self, state, record):
        print(record.step, time.monotonic(), file=file, flush=True)
        note(self, state, record)

    Checkpoints.note = noting


if __name__ == "__main__":
    seconds, die_at, trace, *words = sys.argv[1:]
    checkpoints.SECONDS = float(seconds)
    data.TOY_ROWS = 500
    fitting.baselines = lambda *_: {}  # they take most of the time, in which there is nothing to lose
    trace_to(trace)
    if int(die_at):
        die_inside_saves(int(die_at))
    sys.exit(main(words))
