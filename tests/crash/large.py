"""Fits and scores a Parquet file that is larger than the address space that the command is given.

    python -m tests.crash.large --rows 10000000 --columns 16 --gigabytes 3

The file is written in pieces to a temporary folder, and lies there as about its decoded size.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

ROOT = Path(__file__).parents[2]
_PIECE = 1 << 18


@dataclass
class Result:
    """What came of it."""

    trained: int
    figure: float
    scores: int
    finite: int
    fit_seconds: float
    score_seconds: float
    peak: int

    def __str__(self) -> str:
        return (
            f"fit in {self.fit_seconds:.0f} s on {self.trained:,} rows, {self.figure:.3f} nats per test row; "
            f"scored in {self.score_seconds:.0f} s: {self.scores:,} rows, {self.finite:,} of them finite; "
            f"at most {self.peak / 2**20:,.0f} MiB resident"
        )


def write(path: Path, rows: int, columns: int) -> None:
    """Correlated columns, one of them with two bumps, in pieces."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(columns, columns))
    schema = pa.schema({f"c{i}": pa.float64() for i in range(columns)})
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _PIECE):
            x = rng.normal(size=(min(_PIECE, rows - start), columns)) @ mixing
            x[:, 0] = np.sign(x[:, 0]) + 0.3 * rng.normal(size=len(x))
            writer.write_table(pa.table(list(x.T), schema=schema))


def run(rows: int, columns: int, gigabytes: float, minutes: float, folder: Path) -> Result:
    """Raises where one of the two commands fails."""
    write(folder / "large.parquet", rows, columns)
    began = time.monotonic()
    limited(gigabytes, f"fit large.parquet --out m --minutes {minutes}", folder)
    fitted = time.monotonic()
    limited(gigabytes, "score m large.parquet --out scores.parquet", folder)
    scored = time.monotonic()
    with parquet.ParquetFile(folder / "scores.parquet") as file:
        batches = [batch["log_prob_nats"].to_numpy() for batch in file.iter_batches()]
    config = json.loads((folder / "m" / "config.json").read_text())
    return Result(
        trained=config["data"]["training_rows"],
        figure=config["figures"]["log_prob"],
        scores=sum(len(batch) for batch in batches),
        finite=sum(int(np.isfinite(batch).sum()) for batch in batches),
        fit_seconds=fitted - began,
        score_seconds=scored - fitted,
        peak=1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    )


def limited(gigabytes: float, words: str, folder: Path) -> None:
    """Runs the command with so much address space and no more."""
    most = int(gigabytes * 2**30)
    subprocess.run(
        [sys.executable, "-m", "rheon", *words.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--gigabytes", type=float, default=3.0, help="of address space")
    parser.add_argument("--minutes", type=float, default=0.5, help="of training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-") as folder:
        result = run(options.rows, options.columns, options.gigabytes, options.minutes, Path(folder))
    print(result)
    return result.finite != options.rows


if __name__ == "__main__":
    sys.exit(main())
