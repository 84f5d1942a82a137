import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import RheonError
from rheon.tables.editing import completed, read_toml, to_toml
from rheon.tables.guessing import guess

RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "n": RNG.integers(0, 5, 200),
        'a "name"\n': RNG.choice(["x", 'quote"', "\x7f\\", "𝛼"], 200),
        "x": RNG.normal(size=200),
        "t": RNG.integers(0, 2, 200).astype(bool),
    }
)


def test_a_schema_goes_through_its_text(tmp_path):
    schema = guess(TABLE)
    (tmp_path / "s.toml").write_text(to_toml(schema), encoding="utf-8")
    assert completed(read_toml(tmp_path / "s.toml"), TABLE) == schema


def test_what_is_said_counts_and_the_rest_is_found():
    said = [
        {"name": "n", "kind": "integer", "high": 9},
        {"name": "x", "low": -10.0},
        {"name": "t", "kind": "id"},
    ]
    n, name, x, t = completed(said, TABLE).columns
    assert (n.kind, n.step, n.low, n.high, n.categories, n.guessed) == ("integer", 1, 0, 9, (), False)
    assert (x.kind, x.low) == ("continuous", -10.0)
    assert name.guessed
    assert (t.kind, t.modelled) == ("id", False)


def test_a_kind_that_was_edited_drops_what_does_not_suit_it():
    entries = guess(TABLE).as_list()
    entries[0]["kind"] = "continuous"
    assert entries[0]["categories"] == [0, 1, 2, 3, 4]
    assert completed(entries, TABLE).columns[0].categories == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[column]]\nname = 'm'\nkind = 'integer'\n", r"no column 'm'; there are 'n'"),
        ("[[column]]\nkind = 'integer'\n", "needs a name"),
        ("[[column]]\nname = 'n'\nkind = 'number'\n", "kind must be one of"),
        ("[[column]]\nname = 'n'\n[[column]]\nname = 'n'\n", "described twice"),
        ("[[column]]\nname = 'n'\nkindd = 1\n", "'kindd' is no property; did you mean 'kind'"),
        ("[[column]]\nname = 'x'\nkind = 'stepped'\n", "lies on no grid"),
        ("[[columns]]\n", "must hold tables"),
        ("column = 1\n", "must hold tables"),
        ("column = \n", "is not TOML"),
        (None, "cannot be read"),
    ],
)
def test_a_text_that_says_nothing_of_the_table(tmp_path, text, message):
    if text is not None:
        (tmp_path / "s.toml").write_text(text)
    with pytest.raises(RheonError, match=message):
        completed(read_toml(tmp_path / "s.toml"), TABLE)
