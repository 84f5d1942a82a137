"""``python -m benchmarks.tables_ablation wine.npy …``: what each part of the default of tables brings.

For each table, an array (N, D) of real columns, the model is fitted without each part, or with one that is
left out. The figure is the mean of log p, in nats per row of standardised columns, over rows that neither
flows nor mixture have learned from: those that choose the weights. No other rows are looked at.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from rheon.architectures import tabular
from rheon.bijections import Composition, LULinear
from rheon.flow import Flow
from rheon.tables.floor import Floor, flow_weight
from rheon.tables.folds import Folds, Members, fold_of_each
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.sizing import FOLDS, MANY, network, smoothing
from rheon.training import Settings, train


@dataclass(frozen=True)
class Parts:
    """What takes part."""

    curved: bool = True
    whiten: bool = True
    mixing: bool = True
    noise: bool = True
    dropout: bool = False
    averaging: bool = True
    floor: bool = True


VARIANTS = {
    "all": Parts(),
    "straight columns": Parts(curved=False),
    "no whitening": Parts(whiten=False),
    "no LU layers": Parts(mixing=False),
    "no noise": Parts(noise=False),
    "dropout 0.2": Parts(dropout=True),
    "no averaged weights": Parts(averaging=False),
    "no mixtures": Parts(floor=False),
}


def main() -> None:
    """Prints one table of all variants and data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables_ablation", description=__doc__)
    parser.add_argument("tables", nargs="+", help=".npy files of real columns, (N, D)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = [path.rsplit("/", 1)[-1].removesuffix(".npy") for path in given.tables]
    settings = Settings(
        steps=given.steps, batch_size=512, learning_rate=1e-2, ema_decay=0.995, seed=given.seed, threads=1
    )
    print("| | " + " | ".join(names) + " |\n|---" + "|---" * len(names) + "|")
    for name, parts in VARIANTS.items():
        row = [_figure(np.load(path), parts, settings) for path in given.tables]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def _figure(rows: np.ndarray, parts: Parts, settings: Settings) -> str:
    begun = time.process_time()
    value = judged(rows, parts, settings)
    print(f"{time.process_time() - begun:.0f} s of processor time", file=sys.stderr)
    return f"{value:.3f}"


def judged(rows: np.ndarray, parts: Parts, settings: Settings) -> float:
    """Mean of log p over the rows left out; of flows in folds each row by the one that has not seen it."""
    y = torch.from_numpy(rows / rows.std(0))
    n, d = y.shape
    fold = fold_of_each(n, settings.seed, FOLDS if n < MANY else 1)
    folds = [((fold != k).nonzero()[:, 0], (fold == k).nonzero()[:, 0]) for k in range(int(fold.max()) + 1)]
    left_out = torch.cat([part for _, part in folds])
    preprocessing = Preprocessing.fit(y, curved=parts.curved, whiten=parts.whiten)
    z = preprocessing.training_rows(y)
    size = network(n, d) | ({"dropout": 0.2} if parts.dropout else {})
    flows = [tabular(d, **size, seed=settings.seed + k) for k in range(len(folds))]
    if not parts.mixing:
        flows = [_without_mixing(flow) for flow in flows]
    learn = Folds(z, None, fold, learn=True, noise=smoothing(n) if parts.noise else 0.0)
    settings = settings if parts.averaging else replace(settings, ema_decay=0.0)
    for _ in train(Members(flows), learn, Folds(z, None, fold, learn=False), settings):
        pass
    with torch.no_grad():
        ours = torch.cat([flow(z[part]).double() for flow, (_, part) in zip(flows, folds, strict=True)])
    ours += preprocessing.forward(y[left_out])[1]
    if not parts.floor:
        return float(ours.mean())
    spaces = [preprocessing] if n >= MANY else [preprocessing, Preprocessing.fit(y, curved=False)]
    beside = Floor.fit(y, spaces, fold, settings.seed, n >= MANY)[1]
    w = flow_weight(ours, beside)
    return float(torch.logaddexp(ours + np.log(w), beside + np.log1p(-w)).mean())


def _without_mixing(flow: Flow) -> Flow:
    layers = [layer for layer in flow.bijection.bijections if not isinstance(layer, LULinear)]
    return Flow(Composition(layers), flow.base)


if __name__ == "__main__":
    main()
