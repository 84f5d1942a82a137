import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import DataError
from rheon.tables.values import arrow_type, is_missing, number_values, text_values, type_name


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def test_whole_numbers_stay_exact_and_others_are_float64():
    big = [2**62 + 1, 2**62 + 3]
    assert number_values("x", column(big)).tolist() == big
    assert number_values("x", column([1.5, None])).tolist()[0] == 1.5
    assert np.isnan(number_values("x", column([1.5, None]))[1])
    assert number_values("x", column([decimal.Decimal("1.25")])).tolist() == [1.25]
    assert number_values("x", column([datetime.date(1970, 1, 3)])).tolist() == [2]
    assert number_values(
        "x", column([datetime.datetime(1970, 1, 1, 0, 0, 2)], pa.timestamp("ms"))
    ).tolist() == [2000]
    assert np.signbit(number_values("x", column([-0.0]))).tolist() == [False]


def test_what_has_no_number():
    with pytest.raises(DataError, match="'x' has 2 infinite values, the first in row 2"):
        number_values("x", column([1.0, np.inf, -np.inf]))
    with pytest.raises(DataError, match="beyond 2⁶³"):
        number_values("x", column([2**63 + 1], pa.uint64()))


def test_missing():
    assert is_missing(column([1.0, None, np.nan])).tolist() == [False, True, True]
    assert text_values(column(["a", None, "b"])) == ["a", "b"]
    assert text_values(column(["a", "b", "a"]).dictionary_encode()) == ["a", "b", "a"]


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string()),
        *(pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "Europe/Berlin"), pa.time32("s")),
        *(pa.time64("us"), pa.duration("ms")),
    ],
)
def test_names_of_types_go_both_ways(kind):
    assert arrow_type(type_name(kind)) == kind


def test_types_without_a_name():
    assert type_name(pa.list_(pa.int8())) is None
    assert type_name(pa.dictionary(pa.int8(), pa.string())) == "string"
    with pytest.raises(DataError, match="type 'int65'"):
        arrow_type("int65")
