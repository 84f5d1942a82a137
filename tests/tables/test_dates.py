from datetime import date, datetime

import pyarrow as pa
import pytest

from rheon.tables.dates import as_dates


def dates(*values):
    return as_dates(pa.chunked_array([list(values)], pa.string()))


@pytest.mark.parametrize(
    ("values", "expected", "order"),
    [
        (("24.12.2024", None, "1.2.2024"), [date(2024, 12, 24), None, date(2024, 2, 1)], "day"),
        (("01.02.2024",), [date(2024, 2, 1)], "day"),
        (("03/04/2024", "13/04/2024"), [date(2024, 4, 3), date(2024, 4, 13)], "day"),
        (("03/04/2024", "04/13/2024"), [date(2024, 3, 4), date(2024, 4, 13)], "month"),
        (("24-12-2024 18:30",), [datetime(2024, 12, 24, 18, 30)], "day"),
        (("12/24/2024 8:05:59",), [datetime(2024, 12, 24, 8, 5, 59)], "month"),
    ],
)
def test_dates(values, expected, order):
    read, said = dates(*values)
    assert read.to_pylist() == expected
    assert said == f"dates, {order} first"


def test_the_same_number_twice_is_a_date_either_way():
    assert dates("03/03/2024")[0].to_pylist() == [date(2024, 3, 3)]


def test_what_can_be_read_both_ways_is_not_guessed():
    assert "no row tells" in dates("03/04/2024", "05/06/2024")


@pytest.mark.parametrize(
    "values",
    [
        ("30.02.2024",),  # not in the calendar
        ("24.12.2024", "soon"),
        ("24.12.2024", "24/12/2024"),
        ("24.12.2024", "24.12.2024 18:30"),
        ("13/13/2024",),
        ("1.2.24",),
        (None,),
        (),
    ],
)
def test_no_dates(values):
    assert dates(*values) is None
