"""Kills ``rheon fit`` with SIGKILL at random moments, a third of them inside a save, and goes on with it.

    python -m tests.crash.kill9 --n 100

Two jobs in turn, images and a table, are started, killed, started again with the same words, … until they
end; then their weights must be those of the run that nobody killed, by SHA-256, and their log have each step
once. A kill costs the time from the first step after the last checkpoint to the last step made: at most the
interval between two checkpoints, and the step in which it ran out.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
SECONDS = 0.3
JOBS = {
    "images": "fit digits --steps 60 --batch-size 32 --threads 1 --seed 1",
    "table": "fit moons --steps 400 --threads 1 --seed 1 --architecture realnvp",
}


@dataclass
class Count:
    """What came of it."""

    kills: int = 0
    training: int = 0
    inside: int = 0
    resumed: int = 0
    ended: int = 0
    equal: int = 0
    redone: list["Redone"] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        longest = max((redone.seconds for redone in self.redone), default=0.0)
        within = sum(redone.within for redone in self.redone)
        return (
            f"{self.resumed} of {self.kills} kills gone on from without help ({self.training} after a step, "
            f"{self.inside} inside a save); {self.equal} of {self.ended} runs end with the weights and the "
            f"log of the run without a break; {within} of {len(self.redone)} times at most one interval "
            f"({SECONDS} s) and a step done again, at most {longest:.2f} s"
        )


@dataclass
class Redone:
    """Seconds of work that a start did again, and the longest step among them."""

    seconds: float
    step: float

    @property
    def within(self) -> bool:
        """Whether it is no more than the interval, and the step in which that ran out."""
        return self.seconds <= SECONDS + self.step + 0.01


class Job:
    """One fit in one directory, from its first start to its end."""

    def __init__(self, words: str, folder: Path) -> None:
        self.out, self.trace = folder / "model", folder / "trace"
        self.lines: list[list[str]] = []
        self.words = [*words.split(), "--out", str(self.out)]

    def start(self, die_at: int = 0) -> subprocess.Popen:
        command = [sys.executable, str(CHILD), str(SECONDS), str(die_at), str(self.trace), *self.words]
        root = str(CHILD.parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    @property
    def ended(self) -> bool:
        return (self.out / "config.json").is_file()

    def result(self) -> tuple[str, list[str]]:
        """The weights, by SHA-256, and the step of each line of the log."""
        weights = sha256((self.out / "model.safetensors").read_bytes()).hexdigest()
        lines = (self.out / "training.jsonl").read_text().splitlines()
        return weights, [line.split(",")[0] for line in lines]

    def redone(self) -> Redone | None:
        """What the last start did again of the one before it; None where it came to no step."""
        lines = [line.split() for line in self.trace.read_text().splitlines()] if self.trace.exists() else []
        self.trace.write_text("")
        if not lines:
            return None
        again = [float(at) for step, at in self.lines if int(step) >= int(lines[0][0])]
        self.lines = lines
        steps = [after - before for before, after in pairwise(again)]
        return Redone(sum(steps), max(steps, default=0.0))


def run(n: int, seed: int, folder: Path) -> Count:
    """Kills n times, and lets what was killed end."""
    rng, count = random.Random(seed), Count()
    wanted, seconds = {}, {}
    for name, words in JOBS.items():
        (folder / name).mkdir()
        job, began = Job(words, folder / name), time.monotonic()
        errors = job.start().communicate()[1]
        assert job.ended, errors
        wanted[name], seconds[name] = job.result(), time.monotonic() - began
    number = 0
    while count.kills < n:
        name = list(JOBS)[number % len(JOBS)]
        number += 1
        (folder / str(number)).mkdir()
        killed_until_it_ends(Job(JOBS[name], folder / str(number)), seconds[name], n, rng, count)
        count.ended += 1
        job = Job(JOBS[name], folder / str(number))
        if job.ended and job.result() == wanted[name]:
            count.equal += 1
            shutil.rmtree(folder / str(number))
        else:
            count.faults.append(f"{name} in {folder / str(number)} ended with other weights or another log")
    return count


def killed_until_it_ends(job: Job, seconds: float, n: int, rng: random.Random, count: Count) -> None:
    """Starts a job again and again, killed each time, while kills are left."""
    waiting, first = False, count.kills
    while not job.ended:
        spared = count.kills >= min(n, first + 6)
        inside = not spared and count.kills % 3 == 2
        process = job.start(rng.randint(1, 160) if inside else 0)
        try:
            errors = process.communicate(timeout=None if spared or inside else rng.uniform(0.3, seconds))[1]
        except subprocess.TimeoutExpired:
            process.kill()
            errors = process.communicate()[1]
        killed = process.returncode == -signal.SIGKILL
        if redone := job.redone():
            count.training += killed
            count.redone.append(redone)
            if not redone.within:
                count.faults.append(
                    f"{redone.seconds:.2f} s done again, the longest step {redone.step:.2f} s"
                )
        if not killed and (process.returncode != 0 or not job.ended):
            count.faults.append(f"{' '.join(job.words)}: code {process.returncode}: {errors[-500:]}")
            return
        count.resumed += waiting  # the start after a kill went well, or was itself killed
        waiting = killed
        count.kills += killed
        count.inside += killed and inside
    count.resumed += waiting  # killed when the model was already in its place


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100, help="number of kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill9-"))
    count = run(options.n, options.seed, folder)
    print(count)
    for fault in count.faults:
        print(fault)
    if not count.faults:
        shutil.rmtree(folder)
    return len(count.faults) > 0


if __name__ == "__main__":
    sys.exit(main())
