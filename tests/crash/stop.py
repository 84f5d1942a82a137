"""Stops ``rheon fit`` by a signal at random moments of its training, and times the exits.

    python -m tests.crash.stop --n 50
    python -m tests.crash.stop --n 50 --signal SIGINT

Each must exit by itself with the code of its signal, within 5 s, leave a checkpoint of the last step it made,
and end with the weights of the run without a break.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.kill9 import JOBS, Job

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 138}
SECONDS_ALLOWED = 5.0
_SHARE = 0.8
"""Of the time from the first step to the last: signals come in it, while there is training to stop."""


def stop(job: Job, number: signal.Signals, after: float) -> tuple[int, float]:
    """Exit code, and seconds from the signal to the exit; the signal comes ``after`` the first step."""
    process = job.start()
    while not (job.trace.exists() and job.trace.read_text()) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(number)
    sent = time.monotonic()
    process.communicate()
    return process.returncode, time.monotonic() - sent


def seconds_of(job: Job) -> float:
    """From the first step to the last of a run that is not stopped."""
    job.start().communicate()
    times = [float(line.split()[1]) for line in job.trace.read_text().splitlines()]
    return times[-1] - times[0]


def steps_saved(job: Job) -> int:
    return max(int(place.name.removeprefix("step-")) for place in job.out.glob("checkpoint/step-*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=50, help="number of signals")
    parser.add_argument("--signal", default="SIGTERM", choices=[number.name for number in CODES])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, folder = random.Random(options.seed), Path(tempfile.mkdtemp(prefix="stop-"))
    clean, seconds = 0, []
    number = signal.Signals[options.signal]
    for name in JOBS:
        (folder / name).mkdir()
    wanted, lasts = {}, {}
    for name, words in JOBS.items():
        job = Job(words, folder / name)
        lasts[name] = seconds_of(job)
        wanted[name] = job.result()
    for n in range(options.n):
        name = list(JOBS)[n % len(JOBS)]
        (folder / str(n)).mkdir()
        job = Job(JOBS[name], folder / str(n))
        code, took = stop(job, number, rng.uniform(0, _SHARE * lasts[name]))
        seconds.append(took)
        last = int(job.trace.read_text().split("\n")[-2].split()[0])
        left = not job.ended and steps_saved(job) == last
        job.start().communicate()
        if code == CODES[number] and took < SECONDS_ALLOWED and left and job.result() == wanted[name]:
            clean += 1
        else:
            print(f"{name}: code {code} after {took:.1f} s, step {last} saved: {left}")
    quick = sum(each < SECONDS_ALLOWED for each in seconds)
    print(
        f"{number.name}: {clean} of {options.n} exits clean (code {CODES[number]}, the last step saved, gone "
        f"on from to the weights and the log of the run without a break); {quick} of {options.n} within "
        f"{SECONDS_ALLOWED:g} s, the longest after {max(seconds, default=0):.2f} s"
    )
    return clean < options.n


if __name__ == "__main__":
    sys.exit(main())
