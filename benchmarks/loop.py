"""What the training loop costs beside the step itself.

The same flow is trained by ``rheon.training.train``, which clips, averages weights, watches for steps that
are not finite and keeps checkpoints, and by the shortest loop that learns: fused Adam on -log p of shuffled
batches. Epochs of the two alternate. Validation is left out, since its time is a choice of its own, and so is
what happens once: set-up, and the checkpoint a minute.
"""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks import common
from rheon.architectures import realnvp
from rheon.training import Checkpoints, Rows, Settings, train

FEATURES, COUPLINGS, HIDDEN, ROWS, BATCH = 8, 8, 64, 20_000, 256


def run(rounds: int) -> str:
    """Measures epochs of both in turns, and returns the table."""
    x = torch.randn(ROWS, FEATURES, generator=torch.Generator().manual_seed(0))
    steps = ROWS // BATCH
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            steps=100 * steps * (rounds + 2), batch_size=BATCH, threads=torch.get_num_threads()
        )
        checkpoints = Checkpoints(Path(folder) / "checkpoint")
        whole = train(_flow(), Rows(x), None, settings, checkpoints)
        loops: dict[str, Iterator[object]] = {"a bare loop": _bare(x), "rheon.training.train": whole}
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for turn in range(rounds + 1):
            for name in list(loops)[:: 1 if turn % 2 else -1]:
                start = common.clock()
                for _ in islice(loops[name], steps):
                    pass
                if turn:  # the first sets up and warms up
                    seconds[name].append((common.clock() - start) / steps)
        whole.close()
    bare = median(seconds["a bare loop"])
    lines = [
        f"### The loop: {FEATURES} features, {COUPLINGS} couplings, hidden layers of {HIDDEN}, {BATCH} rows",
        "",
        "| loop | a step |",
        "|---|--:|",
    ]
    lines += [
        f"| {name} | {1e3 * median(s):.3f} ms ({median(s) / bare:.3f}) |" for name, s in seconds.items()
    ]
    return "\n".join(lines)


def _flow() -> torch.nn.Module:
    return realnvp(FEATURES, COUPLINGS, (HIDDEN, HIDDEN), seed=0).train()


def _bare(x: Tensor) -> Iterator[float]:
    flow = _flow()
    with torch.no_grad():
        flow(x[:BATCH])
    optimiser = torch.optim.Adam(flow.parameters(), 1e-3, fused=True)
    while True:
        for rows in torch.randperm(len(x)).split(BATCH):
            if len(rows) < BATCH:
                continue
            loss = -flow(x[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield loss.item()
