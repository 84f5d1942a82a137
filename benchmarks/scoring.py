"""What ``rheon score`` takes beyond the network's own work, from Parquet to Parquet: run it as a module.

The network's own work is a loop, in the same process, over the same tiles of rows as the flow is given them.
Memory is that of a process of its own for each number of rows. One thread; processor time.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]


def write(path: Path, rows: int, columns: int) -> None:
    """Correlated normal columns, in pieces of a quarter million rows."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(columns, columns))
    schema = pa.schema({f"c{i}": pa.float64() for i in range(columns)})
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 1 << 18):
            x = rng.normal(size=(min(1 << 18, rows - start), columns)) @ mixing
            writer.write_table(pa.table(list(x.T), schema=schema))


def tiles(model: Any, file: Path) -> list:
    """What the flow is called with when the rows of the file are scored."""
    seen: list = []
    hook = model.fitted.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].clone()))
    model.log_prob(file)
    hook.remove()
    return seen


def seconds(folder: Path, file: Path, rounds: int) -> tuple[float, float]:
    """(the network alone, all of ``rheon score``), medians over rounds in which they take turns."""
    import torch

    import rheon
    from rheon.cli import main as command

    torch.set_num_threads(1)
    model = rheon.load(folder / "model")
    ready = tiles(model, file)

    def network() -> None:
        with torch.no_grad():
            for tile in ready:
                model.fitted(tile)

    def whole() -> None:
        words = ["score", str(folder / "model"), str(file), "--out", str(folder / "scores.parquet")]
        assert command(words) == 0

    times: dict[Any, list[float]] = {network: [], whole: []}
    for turn in range(rounds + 1):
        for job in (network, whole) if turn % 2 else (whole, network):
            start = time.process_time()
            job()
            times[job].append(time.process_time() - start)
    return median(times[network][1:]), median(times[whole][1:])  # the first round warms up


def peak(folder: Path, file: Path) -> int:
    """Bytes that the command has resident at most, in a process of its own."""
    words = [
        "-m",
        "rheon",
        "score",
        str(folder / "model"),
        str(file),
        "--out",
        str(folder / "scores.parquet"),
    ]
    pid = os.posix_spawn(sys.executable, [sys.executable, *words], {**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return 1024 * usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=4, help="as many rows, for the memory")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the command does

    import rheon
    from rheon.tables import read_table

    with tempfile.TemporaryDirectory(prefix="scoring-") as name:
        folder = Path(name)
        few, many = folder / "rows.parquet", folder / "more.parquet"
        write(few, given.rows, given.columns)
        write(many, given.times * given.rows, given.columns)
        rheon.fit(read_table(few).sample(20_000, 0), steps=20).save(folder / "model")
        network, whole = seconds(folder, few, given.rounds)
        print(f"network {network:.2f} s, rheon score {whole:.2f} s: {whole / network:.3f}")
        for file, rows in ((few, given.rows), (many, given.times * given.rows)):
            print(f"{rows:,} rows: at most {peak(folder, file) / 2**20:,.0f} MiB resident")


if __name__ == "__main__":
    main()
