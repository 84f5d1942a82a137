import pytest

from rheon.errors import RheonError
from rheon.tables.schema import Column, Schema

SCHEMA = Schema(
    (
        Column("age", "integer", "int64", step=1, origin=17, low=17, high=90),
        Column("job", "categorical", "string", ("a", "b", "c", "d", "e"), missing=0.05),
        Column("gain", "continuous", atoms=(0.0,), low=0.0),
        Column("id", "id", "int64", note="numbers rows"),
    )
)


def test_it_is_shown_a_line_a_column():
    assert list(SCHEMA.lines()) == [
        "  age   integer      17 … 90",
        "  job   categorical  5 values: a, b, c, d, …  5.0% missing",
        "  gain  continuous   0 …; often 0",
        "  id    id           left out: numbers rows",
    ]


def test_it_goes_through_plain_values():
    assert Schema.from_list(SCHEMA.as_list()) == SCHEMA
    assert SCHEMA.as_list()[2] == {
        "name": "gain",
        "kind": "continuous",
        "dtype": "double",
        "atoms": [0.0],
        "low": 0.0,
    }


def test_what_is_modelled():
    assert SCHEMA.names == ("age", "job", "gain")
    assert not SCHEMA.plain
    assert SCHEMA.bounded
    assert Schema((Column("x", "continuous"),)).plain
    with pytest.raises(RheonError, match="no column 'agge'; did you mean 'age'"):
        SCHEMA.pick(["agge"])
    assert [c.name for c in SCHEMA.pick(["gain", "age"]).columns] == ["gain", "age"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "number"}, "kind must be one of categorical, ordinal"),
        ({"kind": "ordinal"}, "kind ordinal needs categories"),
        ({"kind": "integer"}, "kind integer needs a step"),
        ({"kind": "continuous", "low": 2.0, "high": 1.0}, "low 2 is above high 1"),
        ({"kind": "continuous", "step": float("nan")}, "step must be a finite number"),
        ({"kind": "continuous", "missing": 2.0}, "missing a share"),
        ({"kind": "ordinal", "categories": [1, 1]}, "categories must be different"),
        ({"kind": "ordinal", "categories": 3}, "categories must be a list"),
        ({"kind": "ordinal", "categories": [[1], [2]]}, "categories must be a list"),
        ({"kind": "ordinal", "categories": ["a", 1]}, "all texts, all numbers"),
        ({"kind": "continuous", "atoms": ["x"]}, "atoms must be numbers"),
        ({"kind": "continuous", "stepp": 1}, "'stepp' is no property; did you mean 'step'"),
        ({}, "each column needs a name and a kind"),
    ],
)
def test_what_does_not_go_together_is_refused(entry, message):
    with pytest.raises(RheonError, match=message):
        Schema.from_list([{"name": "x", **entry}])


def test_names_are_unique():
    with pytest.raises(RheonError, match="two columns are named 'x'"):
        Schema((Column("x", "continuous"), Column("x", "continuous")))
    with pytest.raises(RheonError, match="list of columns"):
        Schema.from_list({"x": 1})
