import math

import pytest

from rheon import RheonError
from rheon.evaluation import Check, Report
from rheon.evaluation.report import measured, skipped

GOOD, BAD, LEFT_OUT = (
    measured("a", 1e-12, 1e-10, "8 rows"),
    measured("b", 0.5, 1e-8, "nats"),
    skipped("c", "D=64"),
)


def test_a_figure_passes_up_to_its_limit_and_nan_never():
    assert measured("", 1.0, 1.0, "").passed is True
    assert measured("", math.nextafter(1.0, 2.0), 1.0, "").passed is False
    assert measured("", math.nan, 1.0, "").passed is False
    assert measured("", math.inf, 1.0, "").passed is False


def test_what_was_left_out_is_no_failure():
    assert Report((GOOD, LEFT_OUT)).passed
    Report((GOOD, LEFT_OUT)).raise_if_failed()


def test_a_failure_is_named_with_its_figures():
    report = Report((GOOD, BAD, LEFT_OUT))
    assert not report.passed
    assert report.failures == (BAD,)
    with pytest.raises(RheonError, match=r"(?s)fails 1 of 3 checks.*FAIL b +0.5 > 1e-08 +nats"):
        report.raise_if_failed()


def test_the_table_has_a_line_for_each_check():
    lines = str(Report((GOOD, BAD, LEFT_OUT), "a note")).splitlines()
    assert lines[0] == "1 passed, 1 failed, 1 left out"
    assert [line.split()[:2] for line in lines[1:4]] == [["ok", "a"], ["FAIL", "b"], ["-", "c"]]
    assert lines[4] == "a note"


def test_reports_cannot_be_changed():
    with pytest.raises(AttributeError):
        Check("a", False, 1.0, 0.0, "").passed = True
