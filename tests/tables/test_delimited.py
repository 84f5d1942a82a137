from datetime import date

import pyarrow as pa
import pytest

from rheon.errors import DataError
from rheon.tables.delimited import read_delimited


def read(text):
    content = text if isinstance(text, bytes) else text.encode()
    return read_delimited(content, "t.csv")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
        ("a;b\n1,5;x\n-2;y\n", {"a": [1.5, -2.0], "b": ["x", "y"]}),
        ("a\tb\n1\tx\n", {"a": [1], "b": ["x"]}),
        ("a|b\n1|x\n2|y\n", {"a": [1, 2], "b": ["x", "y"]}),
        ("\ufeffa,b\n1,2\n", {"a": [1], "b": [2]}),
        ("a, b\n1, x\n2, ?\n", {"a": [1, 2], "b": ["x", None]}),
        ('a,b\n"x, ""y""\nz",1\n"u",2\n', {"a": ['x, "y"\nz', "u"], "b": [1, 2]}),
        ("a,b\nNA,NaN\n1,2\n,\n", {"a": [None, 1, None], "b": [None, 2, None]}),
        ("a,b\n1,true\n2,False\n", {"a": [1, 2], "b": [True, False]}),
        ("a,b\r\n1,2\r\n", {"a": [1], "b": [2]}),
        ("a\n1\n2.5\n", {"a": [1.0, 2.5]}),
        ("a,\n1,2\n", {"a": [1], "column 2": [2]}),
        ("größe,名\n1,é\n2,e\n", {"größe": [1, 2], "名": ["é", "e"]}),
        ("a,b\n24.12.2024,1\n1.2.2024,2\n", {"a": [date(2024, 12, 24), date(2024, 2, 1)], "b": [1, 2]}),
        ("a,b\n  x  ,1\nx,2\n", {"a": ["x", "x"], "b": [1, 2]}),
    ],
)
def test_values(text, columns):
    table, dialect = read(text)
    assert table.to_pydict() == columns
    assert dialect.header


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("39, Private, 1\n50, Private, 0\n41, Self, 1\n", False),  # as the files of UCI are
        ("1.5,2\n3,4\n", False),
        ("5\n", False),
        ("name,2019\nx,1\ny,2\n", True),  # 2019 could be a value, "name" could not
        ("a,b\nc,d\na,d\n", True),
        ("a,d\nc,d\na,d\n", False),
        ("when,n\n2020-01-01,1\n2020-01-02,2\n", True),
        ("2020-01-01,1\n2020-01-02,2\n", False),
        ("?,1\n2,1\n3,2\n", False),
    ],
)
def test_whether_the_first_line_names_the_columns(text, header):
    table, dialect = read(text)
    assert dialect.header is header
    assert table.num_rows == text.count("\n") - header
    if not header:
        assert table.column_names[0] == "x0"


def test_what_is_assumed_is_said():
    assert read("a;b\n1,5;1\n2,5;2\n")[1].notes == (
        "values stand between ';'",
        "column 'a' has commas for decimal points",
    )
    assert "not names" in read("1,x\n2,x\n")[1].notes[0]
    assert (
        read("|1x3 Cross validator\n1,x\n2,x\n3,x\n")[1].notes[0]
        == "the first line is left out: it is no row"
    )
    table, dialect = read("a,b\n1,caf\xe9\n2,x\n".encode("latin-1"))
    assert table["b"].to_pylist() == ["café", "x"]
    assert "Windows-1252" in dialect.notes[0]
    assert read("a,b\n24/12/2024,1\n")[1].notes == ("column 'a' holds dates, day first",)
    assert "write dates as 2024-12-31" in read("a,b\n1/2/2024,1\n")[1].notes[0]
    assert read("a,b\n1,2\n")[1].notes == ()


def test_types_follow_from_all_values():
    n = 300_000  # several of the reader's blocks
    table, _ = read("n,k\n" + "".join(f"{i},{i % 7}\n" for i in range(n)) + "1.5,1\n")
    assert table.schema.types == [pa.float64(), pa.int64()]
    assert table["n"][-1].as_py() == 1.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "t.csv is empty"),
        (b"  \n\n", "t.csv is empty"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        (
            b"a,b\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(30)) + b"x1,1\n7,7\n-,2\n",
            r"column 'a' holds numbers but for 2 values, the first of them 'x1' in row 31; correct",
        ),
    ],
)
def test_what_is_no_table(text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_commas_within_quotes_are_not_taken_for_decimal_points():
    assert read('a,b\n"1,234",1\n"5,678",2\n')[0]["a"].to_pylist() == ["1,234", "5,678"]
