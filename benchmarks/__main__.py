"""``python -m benchmarks``: prints the tables of README.md, measured here and now."""

import argparse
import os
import sys
import time
import warnings


def main() -> None:
    """Parses the arguments, sets the threads before torch is imported, measures, prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "tasks", nargs="*", help="vectors-64, vectors-8, images, glow, memory, loop; all if none is named"
    )
    parser.add_argument("--threads", type=int, default=1, help="processors to use (default 1)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each task (default 15)")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor time, for one thread on a machine that others use too",
    )
    given = parser.parse_args()

    if hasattr(os, "sched_setaffinity"):  # jax counts the processors it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-given.threads :])
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    import torch

    from benchmarks import common, glows, images, loop, memory, vectors

    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore", module="torchflows")  # an indexing that torch is about to give up
    warnings.filterwarnings("ignore", "torch.lu is deprecated")  # as normflows calls it
    common.clock = {"wall": time.perf_counter, "cpu": time.process_time}[given.clock]
    tasks = {
        "vectors-64": lambda: vectors.run(vectors.LARGE, given.rounds),
        "vectors-8": lambda: vectors.run(vectors.SMALL, given.rounds),
        "images": lambda: images.run(given.rounds),
        "glow": lambda: glows.run(given.rounds),
        "memory": lambda: memory.run(given.rounds),
        "loop": lambda: loop.run(given.rounds),
    }
    unknown = set(given.tasks) - set(tasks)
    if unknown:
        parser.error(f"unknown task {', '.join(sorted(unknown))}; there are {', '.join(tasks)}")
    print(f"`{' '.join(['python -m benchmarks', *sys.argv[1:]])}`: {common.machine(given.threads)}")
    for name in given.tasks or tasks:
        print(f"\n{tasks[name]()}", flush=True)


if __name__ == "__main__":
    main()
