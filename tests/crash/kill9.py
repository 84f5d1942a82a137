"""Kills ``rheon fit`` with SIGKILL at random moments, a third of them inside a save, and goes on with it.

    python -m tests.crash.kill9 --n 100

Two jobs in turn, images and a table, are started, killed, started again with the same words, … until they
end; then their weights must be those of the run that nobody killed, by SHA-256, and their log have each step
once.
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
    inside: int = 0
    resumed: int = 0
    ended: int = 0
    equal: int = 0
    redone: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.resumed} of {self.kills} kills gone on from without help ({self.inside} inside a save); "
            f"{self.equal} of {self.ended} runs end with the weights and the log of the run without a break; "
            f"at most {max(self.redone, default=0):.2f} s done again, with {SECONDS} s between checkpoints"
        )


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

    def redone(self) -> float:
        """Seconds of work that the last start did again: of the one before it, after its last checkpoint."""
        lines = [line.split() for line in self.trace.read_text().splitlines()] if self.trace.exists() else []
        self.trace.write_text("")
        if not lines:
            return 0.0
        again = [float(at) for step, at in self.lines if int(step) >= int(lines[0][0])]
        self.lines = lines
        return max(again) - min(again) if again else 0.0


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
        count.redone.append(job.redone())
        killed = process.returncode == -signal.SIGKILL
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
