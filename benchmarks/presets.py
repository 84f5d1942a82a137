"""``python -m benchmarks.presets DATA``: what every architecture of images reaches in so many seconds.

Each is trained on the same images by ``ImageDensity`` with its own settings, in wall time, and scored on
images that it has not seen, by the same noise.

    python -m benchmarks.presets train-images-idx3-ubyte.gz --test t10k-images-idx3-ubyte.gz --seconds 60 300
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[], Any]


def main() -> None:
    """Trains and prints one row after another, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__.split("\n")[0])
    parser.add_argument("data", help="images, as rheon fit takes them")
    parser.add_argument("--test", help="images to measure on; without them a fifth of DATA is kept apart")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0], help="of training (default 60)")
    parser.add_argument("--only", nargs="*", help="rows, by name; all unless given")
    parser.add_argument("--images", type=int, default=2000, help="test images to score (default 2000)")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from benchmarks import common
    from rheon.images import read_images

    rows = _rows()
    names = given.only or list(rows)
    if unknown := set(names) - set(rows):
        parser.error(f"unknown row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    learn = read_images(given.data)
    if given.test:
        test = read_images(given.test, levels=learn.levels)
    else:
        learn, test = learn.split(0.2, 0)
    test = test.take(np.arange(min(given.images, len(test))))
    print(f"{learn.description}; {len(test)} test images; {common.machine(1)}\n")
    figures = " | ".join(f"bits/dim, {seconds:g} s" for seconds in given.seconds)
    print(f"| | parameters | images/s | {figures} | score 1,000 | sample 1,000 |")
    print("|---|" + "--:|" * (len(given.seconds) + 4))
    for name in names:
        print(_row(name, rows[name], learn, test, given.seconds), flush=True)


def _row(name: str, make: Make, learn: Any, test: Any, budgets: list[float]) -> str:
    bits = []
    for seconds in budgets:
        model, changes = make()
        settings = model.settings(minutes=seconds / 60, threads=1, patience=None, **changes)
        model.fit(learn, settings=settings)
        start = time.process_time()
        bits.append(f"{model.bits_per_dim(test).mean():.3f}")
        scoring = 1000 * (time.process_time() - start) / len(test)
    start = time.process_time()
    model.sample(1000, seed=0)
    sampling = time.process_time() - start
    size = sum(weight.numel() for weight in model.fitted.parameters())
    pace = f"{model.history[-1].rows_per_second:.0f}"
    return f"| {name} | {size:,} | {pace} | {' | '.join(bits)} | {scoring:.2f} s | {sampling:.2f} s |"


def _rows() -> dict[str, Make]:
    """Name → a new model and what of its settings is changed."""
    from rheon import ImageDensity

    def named(name: str, **changes: Any) -> Make:
        return lambda: (ImageDensity(name), changes)

    return {
        "image_flow": named("image_flow"),
        "image_flow without averaged weights": named("image_flow", ema_decay=0.0),
        "image_flow, batches of 64": named("image_flow", batch_size=64),
        "image_flow, learning rate 3e-3": named("image_flow", learning_rate=3e-3),
        "glow": named("glow", batch_size=16),
        "realnvp": named("realnvp"),
        "realnvp, batches of 16": named("realnvp", batch_size=16),
        "spline": named("spline"),
        "nice": named("nice"),
    }


if __name__ == "__main__":
    main()
