"""One of two processes that train together, and what it is compared with."""

import json
import math
import os
import sys
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from rheon.architectures import realnvp
from rheon.bijections import BatchNorm, Composition
from rheon.errors import RankLostError, RheonError
from rheon.flow import Flow
from rheon.training import Checkpoints, Rows, Settings, train
from rheon.training.order import Order
from rheon.training.processes import joined

SETTINGS = {"steps": 40, "batch_size": 7, "threads": 1, "validate_every": 0.1, "learning_rate": 0.01}


def rows(bad: bool = False, dtype: torch.dtype = torch.float64) -> Rows:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(37, 4, generator=generator, dtype=torch.float64)
    if bad:
        x[Order(37, 7, seed=0).rows(1)[6], 1] = math.inf  # not in the batch that sets ActNorm's scale
    context = torch.randn(37, 2, generator=generator, dtype=torch.float64)
    return Rows(x.to(dtype), context.to(dtype), noise=0.1)


def flow() -> Flow:
    module = realnvp(4, couplings=3, hidden=(8,), context_features=2, seed=1).double()
    # Scales of all rows: with those of the first batch its gradient by the bias is 0 but for rounding, which
    # Adam divides by itself.
    module.train()(*rows().batch(torch.arange(37), torch.Generator().manual_seed(5)))
    return module


def trained(checkpoints=None, until=None, bad=False, **changes) -> dict:
    """What came of a run, as JSON holds it to the bit."""
    settings = Settings(**{**SETTINGS, **changes})
    dtype = torch.float32 if settings.precision == "bfloat16" else torch.float64
    module, held_out = flow().to(dtype), rows(dtype=dtype)
    run = train(module, rows(bad, dtype), held_out, settings, checkpoints)
    records = list(islice(run, until))
    if until is not None and checkpoints is not None:
        assert checkpoints.save()
    run.close()
    return {
        "weights": weights(module),
        "losses": [[r.loss, r.gradient_norm, r.validation, r.learning_rate] for r in records],
        "facts": [[r.step, r.skipped, r.best, r.trouble] for r in records],
    }


def weights(module: nn.Module) -> list[float]:
    return torch.cat([p.detach().double().flatten() for p in module.state_dict().values()]).tolist()


def with_statistics() -> str:
    inner = realnvp(4, couplings=2, hidden=(8,))
    module = Flow(Composition([BatchNorm(4), inner.bijection]), inner.base, inner.event_shape)
    try:
        next(train(module, Rows(torch.randn(20, 4)), None, Settings(steps=2)))
    except RheonError as error:
        return str(error)
    return "taken"


def lost(folder: Path, rank: int) -> dict:
    """The second process ends after ten steps, in the midst of it."""
    checkpoints, told = Checkpoints(folder, every=1e9), []
    try:
        for record in train(flow(), rows(), rows(), Settings(**SETTINGS), checkpoints):
            told.append(record.step)
            if record.step == 10 and rank == 1:
                os._exit(1)
    except RankLostError as error:
        return {"steps": told[-1], "saved": checkpoints.step, "error": str(error)}
    return {}


def main(folder: Path, rank: int) -> None:
    with joined():
        found = {
            "ragged": trained(),
            "one row": trained(batch_size=1),
            "pieces": trained(accumulate=3),
            "bad": trained(bad=True),
            "checkpoint": trained(memory="checkpoint"),
            "invert": trained(memory="invert"),
            "bfloat16": trained(precision="bfloat16", steps=10),
            "minutes": trained(steps=None, minutes=0.5 / 60),
            "statistics": with_statistics(),
        }
        trained(Checkpoints(folder / "a" / "checkpoint"), until=15)
        second = Checkpoints(folder / "b" / "checkpoint", tell=lambda line: None)
        found["resumed"] = trained(second)
        (folder / f"{rank}.json").write_text(json.dumps(found))
        found["lost"] = lost(folder / "c" / "checkpoint", rank)
        (folder / f"{rank}.json").write_text(json.dumps(found))
        os._exit(0)  # the group cannot be left in an orderly way any more


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(os.environ["RANK"]))
