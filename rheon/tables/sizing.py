"""How large a model suits a table: what was best on validation rows, see docs/tables-ablation.md."""

from typing import Any

BATCH_SIZE, LEARNING_RATE, EMA_DECAY = 512, 1e-2, 0.995
"""Rows in a step, the peak of the rate, and how slowly the weights that are kept follow."""

FEW = 2500
"""Rows below which columns may be left straight."""

MANY = 6000
"""Rows from which one flow learns from nine tenths, in place of some from most of the rows each."""

FOLDS = 5
"""How many flows below that."""


def network(n: int, d: int) -> dict[str, Any]:
    """Arguments of ``tabular`` for n rows of d columns: small where there is little to learn from.

    >>> network(1000, 10)["width"], network(100_000, 10)["width"]
    (24, 64)
    """
    if n < FEW:
        return {"couplings": 3, "width": 24, "bins": 4}
    return {"couplings": 4, "width": 64 if n < 10_000 or d < 32 else 128, "bins": 8}


def smoothing(n: int) -> float:
    """Standard deviation of the noise that training adds to n whitened rows: few need a smooth density.

    >>> smoothing(1000), smoothing(100_000)
    (0.3, 0.0)
    """
    noise = 0.3 * min(1.0, 1500 / n)
    return noise if noise > 0.03 else 0.0
