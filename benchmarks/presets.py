"""``python -m benchmarks.presets DATA``: what every architecture of images reaches in so many seconds.

Each is trained on the same images by ``ImageDensity`` in wall time, and scored on images of DATA that it has
not seen, or on those of --test. Figures of different kinds (exact, bounds) stand in tables of their own. With
--ablation the rows are two architectures with one part after another exchanged or left out.

    python -m benchmarks.presets train-images-idx3-ubyte.gz --seconds 60 300
    python -m benchmarks.presets train-images-idx3-ubyte.gz --ablation
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_COSTS = "score 1,000 | sample 1,000 | round trip |"
"""In seconds of the processor, and in grey levels."""

Make = Callable[[], tuple[Any, dict[str, Any]]]


def main() -> None:
    """Trains one row after another, and prints them as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__.split("\n")[0])
    parser.add_argument("data", help="images, as rheon fit takes them")
    parser.add_argument("--test", help="images to measure on; unless given, some of DATA are kept apart")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0], help="of training (default 60)")
    parser.add_argument("--ablation", action="store_true", help="parts exchanged, in place of all presets")
    parser.add_argument("--only", nargs="*", help="rows, by name; all unless given")
    parser.add_argument("--images", type=int, default=2000, help="images to score (default 2000)")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from benchmarks import common, image_parts
    from rheon.images import read_images

    learn = read_images(given.data)
    if given.test:
        test = read_images(given.test, levels=learn.levels)
        test = test.take(np.arange(min(given.images, len(test))))
    else:
        learn, test = learn.split(given.images / len(learn), 0)
    rows = image_parts.rows() if given.ablation else _presets(learn.images.shape[1:])
    names = given.only or list(rows)
    if unknown := set(names) - set(rows):
        parser.error(f"unknown row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    apart = "test" if given.test else "held-out"
    print(f"{learn.description}; {len(test):,} {apart} images; {common.machine(1)}")
    head = None
    for name in names:
        kind, row = _row(name, rows[name], learn, test, given.seconds)
        if kind != head:
            head = kind
            figures = " | ".join(f"bits/dim, {seconds:g} s" for seconds in given.seconds)
            print(f"\n{kind}\n\n| | parameters | images/s | {figures} | {_COSTS}")
            print("|---|" + "--:|" * (len(given.seconds) + 5))
        print(row, flush=True)


def _row(name: str, make: Make, learn: Any, test: Any, budgets: list[float]) -> tuple[str, str]:
    """What its figures are, and the row."""
    bits = []
    for seconds in budgets:
        model, changes = make()
        settings = model.settings(minutes=seconds / 60, threads=1, patience=None, **changes)
        model.fit(learn, settings=settings)
        start = time.process_time()
        bits.append(f"{model.bits_per_dim(test).mean():.3f}")
        scoring = 1000 * (time.process_time() - start) / len(test)
    some = test.take(np.arange(min(1000, len(test))))
    start = time.process_time()
    model.sample(len(some), seed=0)
    sampling = 1000 * (time.process_time() - start) / len(some)
    trip = model.round_trip_error(some)
    size = sum(weight.numel() for weight in model.parts.parameters())
    # Before the validation at the end, which is no part of the budget.
    pace = f"{model.history[-2:][0].rows_per_second:.0f}"
    costs = f"{scoring:.1f} s | {sampling:.1f} s | {trip:.0e}"
    return model.likelihood(), f"| {name} | {size:,} | {pace} | {' | '.join(bits)} | {costs} |"


def _presets(shape: tuple[int, ...]) -> dict[str, Make]:
    """Name → a new model and what of its settings is changed; those of one kind of figure together."""
    from benchmarks.image_parts import SMALL
    from rheon import ImageDensity

    def named(name: str, noise: str = "uniform", **changes: Any) -> Make:
        return lambda: (ImageDensity(name, dequantise=noise), changes)

    real = ("glow", "realnvp", "spline", "nice")
    if tuple(shape) == (3, 32, 32):
        real += ("realnvp_cifar10", "realnvp_imagenet32")
    return {
        **{name: named(name) for name in ("image_flow", "image_flow_base", "image_flow_large")},
        **{name: named(name, **SMALL) for name in real},
        **{f"{name}, learned noise": named(name, "learned", **SMALL) for name in ("glow", "realnvp")},
    }


if __name__ == "__main__":
    main()
