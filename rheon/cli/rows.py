"""The columns that ``rheon score`` writes for the rows of a table, part by part."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from rheon.cli.console import note, say
from rheon.cli.data import tables_to_score
from rheon.errors import DataError
from rheon.tables import Table, TableDensity
from rheon.tables.tiles import TILE

_VALUES = 1 << 20
"""Numbers of a table that are scored at a time: 8 MiB."""


def of_rows(
    model: TableDensity, data: str, draws: int, seed: int, contamination: float, explained: int
) -> Iterator[tuple[dict[str, Any], Any]]:
    """For each part of the rows: columns to write, and scores by the true density where it is known.

    ``explained``: how many columns are named that make an anomaly unusual.
    """
    # Whole tiles: only the last of all is filled up.
    rows = max(_VALUES // (TILE * len(model.columns)), 1) * TILE
    tables, toy = tables_to_score(data, seed, model.columns, rows)
    bounds = start = anomalies = drawn = 0
    threshold = np.inf
    if model.ordinary is None:
        note(
            "the model does not say how its training rows scored: no percentile and no anomalies; fit it anew"
        )
    elif contamination < 1:
        threshold = model.threshold(contamination)
    for table in tables:
        for line in table.notes:
            note(line)
        columns: dict[str, Any] = {}
        try:
            bounds += int(model.is_bound(table).sum())
            scores = columns["log_prob_nats"] = model.log_prob(table, draws=draws, seed=seed)
            odd = scores < threshold
            if model.ordinary is not None:
                columns |= {"percentile": model.percentile(scores), "anomaly": odd}
                anomalies += int(odd.sum())
            if explained:
                why, approximate = _explained(model, table, odd, explained, seed)
                columns |= why
                drawn += approximate
        except DataError as error:
            where = f"in rows {start + 1:,} to {start + len(table):,}, counting from the first of these: "
            raise DataError(f"{where if start else ''}{error}") from error
        start += len(table)
        yield columns, () if toy is None else toy.log_density(table.values)
    if model.ordinary is not None:
        least = "" if np.isinf(threshold) else f", which of training rows {100 * contamination:g} % have"
        say(f"anomalies: {anomalies:,} of {start:,} rows, log p below {threshold:.4f}{least}")
    if bounds:
        note(
            f"log p of {bounds:,} rows is a lower bound in expectation: they have numbers on a grid, or lack "
            "two numbers or more; --draws makes it tighter"
        )
    if drawn:
        note(
            f"{drawn:,} of the explained rows lack values, which were drawn once for that: the surprisal of "
            "their other cells is an approximation"
        )
    if explained and model.schema.bounded:
        note("surprisals are of numbers on grids with noise of half a step: approximations, close to exact")


def _explained(
    model: TableDensity, table: Table, odd: Any, count: int, seed: int
) -> tuple[dict[str, pa.Array], int]:
    """Columns that explain the odd rows, null for the others; how many explanations are approximate."""
    places = np.flatnonzero(odd)
    count = min(count, len(model.targets))
    found = model.explain(table.take(places), columns=count, seed=seed) if len(places) else None
    index = pa.array((np.cumsum(odd) - 1).clip(min=0), mask=~odd)
    columns = {}
    for k in range(count):
        for name, kind in (("unusual", pa.string()), ("surprisal", pa.float64()), ("excess", pa.float64())):
            if found is None:
                columns[f"{name}_{k + 1}"] = pa.nulls(len(table), kind)
                continue
            values = {"unusual": found.columns, "surprisal": found.surprisal, "excess": found.excess}[name]
            own = pa.array(values[:, k], kind, mask=np.isinf(found.excess[:, k]))
            columns[f"{name}_{k + 1}"] = own.take(index)
    return columns, 0 if found is None else int(found.approximate.sum())
