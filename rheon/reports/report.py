"""The report of a model: what it is, how well it does, what it holds, and whether it is right."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rheon.bounds import by_kind
from rheon.checks import check
from rheon.evaluation.report import Report
from rheon.images import ImageDensity
from rheon.plots.curve import training_curve
from rheon.reports.of_images import image_findings
from rheon.reports.of_rows import row_findings
from rheon.reports.page import Facts, Page, Picture, Section
from rheon.reports.verdicts import invariants
from rheon.tables import TableDensity
from rheon.verdicts import recorded

Model = ImageDensity | TableDensity

_SECONDS = 20.0


def report(model: Model, name: str, data: Any = None, *, seed: int = 0) -> Page:
    """What is known of a model: a :class:`Page`, whose ``html`` is one file, complete in itself.

    Args:
        model: a fitted or loaded density.
        name: what to call it.
        data: rows or images that it did not learn from, to set beside its draws; without them the report has
            what the model directory records, and draws.
        seed: of the draws, and of the checks.

    >>> from rheon.datasets import load_digits
    >>> images = load_digits().images
    >>> made = report(ImageDensity("realnvp").fit(images, steps=2), "digits", images[:40])
    >>> made.html.count("<figure>"), sorted(made.figures)[:3]
    (7, ['bits.png', 'draws.png', 'interpolation.png'])
    """
    measured = check(model, data, seed=seed, seconds=_SECONDS)
    if isinstance(model, ImageDensity):
        found, sections = image_findings(model, data, seed)
    else:
        found, sections = row_findings(model, data, seed)
    verdicts = [*recorded(model.info), *found, *invariants(measured)]
    sections = [*_about(model), *sections, _measured(measured), *_settings(model)]
    return Page(f"Report on {name}", verdicts, sections)


def _measured(found: Report) -> Section:
    rows = [
        (
            check.name,
            {True: "passed", False: "failed", None: "left out"}[check.passed],
            None if check.passed is None else check.figure,
            None if check.passed is None else check.limit,
            check.detail,
        )
        for check in found.checks
    ]
    table = Facts(("check", "", "figure", "limit", "on what"), rows)
    return Section("Invariants, measured on this model", [table, *([found.note] if found.note else [])])


def _about(model: Model) -> Iterator[Section]:
    data, figures = model.info.get("data", {}), model.info.get("figures", {})
    if data:
        yield Section("Data", [_facts(data)])
    parts: list[str | Facts | Picture] = []
    for kind, group in by_kind(figures).items():
        parts += ([f"{kind}:"] if kind else []) + ([_facts(group)] if group else [])
    records = [record.as_dict() for record in model.history] or list(map(json.loads, model.log.splitlines()))
    if records:
        parts.append(Picture("training", training_curve(records, model.unit), "Training and validation."))
    if parts:
        yield Section("Likelihood", parts)


def _settings(model: Model) -> Iterator[Section]:
    training = model.info.get("training", {})
    asked = {name: value for name, value in model.info.get("settings", {}).items() if name not in training}
    facts = {**training, **asked}
    if facts:
        yield Section("Settings", [_facts(facts)])


def _facts(facts: Mapping[str, Any]) -> Facts:
    rows: list[tuple[str, Any]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            rows += [(f"{key.replace('_', ' ')}: {k.replace('_', ' ')}", _flat(v)) for k, v in value.items()]
        else:
            rows.append((key.replace("_", " "), _flat(value)))
    return Facts((), rows)


def _flat(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    parts = (": ".join(map(str, part)) if isinstance(part, list | tuple) else str(part) for part in value)
    return ", ".join(parts) or "none"
