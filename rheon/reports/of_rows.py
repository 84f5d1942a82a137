"""What a report says of a model of rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rheon.reports.verdicts as verdicts
from rheon.evaluation import ks_by_column, two_sample_auc
from rheon.plots.rows import calibration, correlation_difference, marginals, pairs
from rheon.reports.page import Facts, Section, pictures
from rheon.tables import TableDensity, read_table
from rheon.verdicts import Verdict

_SOME = 10_000
_LISTED = 10


def row_findings(model: TableDensity, data: Any, seed: int) -> tuple[list[Verdict], list[Section]]:
    """Verdicts and sections; ``data`` None, or columns that are given: nothing is set beside draws."""
    schema = Section("Columns", [Facts(("column", "kind", "missing"), _columns(model))])
    if data is None:
        return [], [schema]
    table = read_table(data)
    some = np.sort(np.random.default_rng(seed).permutation(len(table))[:_SOME])
    table = table.take(some)
    scores = model.log_prob(table)
    odd = np.argsort(scores, kind="stable")[:_LISTED]
    unusual = Section(
        "The most unusual rows",
        [
            "By their number in the data, from 1; what they hold is not shown here.",
            Facts(("row", "log p, nats"), [(int(some[i]) + 1, float(scores[i])) for i in odd]),
        ],
    )
    if model.given:
        return [], [schema, unusual]
    real = columns_of(table.data, model.targets)
    drawn = columns_of(model.sample_table(max(len(table), 2000), seed=seed), model.targets)
    ks = ks_by_column(real, drawn)
    found = [*verdicts.calibrated(ks, len(table))]
    found += verdicts.tails(real, drawn, [name for name in real if real[name].dtype.kind in "iuf"])
    if len(table) >= 100:
        found.append(verdicts.two_samples(two_sample_auc(real, drawn, seed, most=5000)))
    far = sorted(ks.items(), key=lambda pair: -pair[1])
    parts = pictures(
        (
            "marginals",
            lambda: marginals(real, drawn),
            "Each column: real rows as outlines, drawn ones filled.",
        ),
        (
            "pairs",
            lambda: pairs(real, drawn),
            "Columns that depend on each other: real rows below the diagonal, drawn ones above.",
        ),
        ("calibration", lambda: calibration(real, drawn), "Calibration of each column of numbers."),
        (
            "correlations",
            lambda: correlation_difference(real, drawn),
            "Rank correlations of drawn rows minus those of real ones.",
        ),
    )
    beside = Section("Drawn rows beside real ones", [Facts(("column", "KS"), far), *parts])
    return found, [schema, beside, unusual]


def columns_of(table: Any, names: Any) -> dict[str, NDArray[Any]]:
    """Columns of an Arrow table by name: numbers as float64 with NaN for missing, others as objects."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_temporal(column.type):
            column = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64())
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            found[name] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        else:
            found[name] = np.array(column.to_pylist(), dtype=object)
    return found


def _columns(model: TableDensity) -> list[tuple[Any, ...]]:
    return [(column.name, column.kind, column.missing) for column in model.schema.columns]
