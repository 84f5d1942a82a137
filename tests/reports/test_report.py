"""What a report says is what its figures say, worked out again."""

import re

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from rheon import ImageDensity, TableDensity, check
from rheon.datasets import clinic, load_digits
from rheon.images import looks
from rheon.reports import Facts, report

ROWS = pa.table(dict(clinic(500))).select(["age", "site", "height_cm"])
LEARN, TEST = ROWS.slice(0, 300), ROWS.slice(300)


@pytest.fixture(scope="module")
def model():
    made = TableDensity().fit(LEARN, steps=10)
    del made.learned.members[1:]
    made.info["figures"] = {"log_prob": -7.25, "log_prob_error": 0.1, "mixture_log_prob": -9.0}
    return made


@pytest.fixture(scope="module")
def page(model):
    return report(model, "clinic", TEST)


def said(page, pattern):
    """The one verdict that fits, and what the pattern catches of it."""
    [found] = [(v, m) for v in page.verdicts if (m := re.search(pattern, v.text))]
    return found[0], found[1].groups()


def facts(page, title, header):
    [section] = [s for s in page.sections if s.title.startswith(title)]
    [table] = [p for p in section.parts if isinstance(p, Facts) and tuple(p.header)[: len(header)] == header]
    return [tuple(row) for row in table.rows]


def test_the_likelihood(page):
    verdict, (value, gain, other) = said(page, r"(-\S+) nats on test data, (\S+) better than .*\((\S+)\)")
    assert (verdict.level, value, gain, other) == ("good", "-7.250", "1.750", "-9.000")


def test_the_farthest_column(page, model):
    drawn = model.sample_table(2000, seed=0)
    ks = {
        name: ks_2samp(*(t[name].fill_null(999).to_numpy().astype(float) for t in (TEST, drawn))).statistic
        for name in ("age", "height_cm")
    }
    table = dict(facts(page, "Drawn rows", ("column", "KS")))
    for name, distance in ks.items():
        assert table[name] == pytest.approx(distance, abs=1e-9)
    verdict, (worst,) = said(page, r"KS (?:distance of a column is )?(0\.\d{3})")
    assert worst == f"{max(table.values()):.3f}"
    assert max(table, key=table.get) in verdict.text


def test_the_most_unusual_rows(page, model):
    scores = model.log_prob(TEST)
    expected = [(int(i) + 1, pytest.approx(scores[i])) for i in np.argsort(scores)[:10]]
    assert facts(page, "The most unusual", ("row",)) == expected


def test_the_invariants(page, model):
    found = check(model, TEST, seconds=20)
    rows = facts(page, "Invariants", ("check",))
    assert [(row[0], row[1]) for row in rows] == [
        (c.name, {True: "passed", False: "failed", None: "left out"}[c.passed]) for c in found.checks
    ]
    _, (number,) = said(page, r"(\d+) checks on this model, none failed")
    assert int(number) == sum(row[1] == "passed" for row in rows)
    figures = {row[0]: row[2] for row in rows}
    for name in ("integral of p", "sum of P over all codes"):
        _, (off,) = said(page, rf"The {name} is off from one by (\S+) ")
        assert off == f"{figures[name]:.0e}"


def test_copies_are_told_by_the_nearest_images():
    digits = load_digits().images[:60]
    model = ImageDensity("realnvp").fit(digits, steps=2)
    found = report(model, "digits", digits[:40])
    _, (least, _) = said(found, r"comes to one of the data is (\S+) grey levels; .* as near as (\S+)\.")
    new = looks.at_temperatures(model, 64, (1.0,), 0)[0].astype(float)
    squares = ((new[:, None, 0] - digits[:40][None].astype(float)) ** 2).mean((2, 3))
    assert float(least) == pytest.approx(np.sqrt(squares.min()), abs=0.051)


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows_are_no_hindrance(model, rows):
    assert report(model, "m", TEST.slice(0, rows)).html


def test_conditional_rows_and_codes_alone():
    given = TableDensity(given=["site"]).fit(LEARN.select(["site", "age"]), steps=3)
    del given.learned.members[1:]
    assert "The most unusual rows" in report(given, "m", TEST).html
    assert report(given, "m").html
    codes = TableDensity().fit(LEARN.select(["site"]), steps=3)
    assert "Left out: Calibration" in report(codes, "m", TEST).html
