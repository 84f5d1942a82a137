"""Roles: which columns are learned, which are given, and how rows are read by it."""

import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import DataError, ModelError, RheonError
from rheon.tables import guess
from rheon.tables.roles import Roles
from rheon.tables.schema import Column, Schema

TABLE = pa.table({"k": ["a", "b"] * 30, "x": np.arange(60) * 0.37, "note": [f"text {i}" for i in range(60)]})
SCHEMA = guess(TABLE)


@pytest.fixture
def roles() -> Roles:
    roles = Roles(SCHEMA, ("k",))
    roles.learn_features(roles.read(TABLE))
    return roles


def test_what_is_learned_and_what_a_row_must_have(roles):
    assert roles.targets.schema.names == ("x",)
    assert roles.columns == ("k", "x")
    assert not roles.plain
    assert Roles(SCHEMA.pick(("x",))).plain


def test_rows_are_found_by_name_else_by_their_place(roles):
    rows, given = roles.encode(roles.read(TABLE.select(["x", "k"])))
    np.testing.assert_array_equal(rows.y[:, 0], TABLE["x"].to_numpy())
    assert given.shape == (60, roles.features.width)
    kinds = ("continuous", "constant", "continuous")
    unnamed = Roles(Schema(tuple(Column(f"x{i}", kind) for i, kind in enumerate(kinds))))
    np.testing.assert_array_equal(unnamed.read(np.arange(6.0).reshape(2, 3)).values, [[0, 2], [3, 5]])


def test_what_is_given_must_be_there(roles):
    with pytest.raises(DataError, match="1 rows lack a value of what is given, the first of them row 2"):
        roles.given_of(roles.read(pa.table({"k": ["a", None], "x": [1.0, 2.0]})))


def test_columns_that_cannot_have_the_role_are_refused():
    with pytest.raises(DataError, match="'note' cannot be given"):
        Roles(SCHEMA, ("note",))
    with pytest.raises(DataError, match="no column is left to learn"):
        Roles(SCHEMA, ("k", "x"))
    with pytest.raises(RheonError, match="nope"):
        Roles(SCHEMA, ("nope",))


def test_files_give_the_same_features(roles):
    tensors = {"other": None, **roles.tensors()}
    again = Roles.from_files(roles.config(), tensors)
    assert list(tensors) == ["other"]
    table = roles.read(TABLE)
    assert again.given_of(table).equal(roles.given_of(table))
    with pytest.raises(ModelError, match="names of the columns that are given"):
        Roles.from_files({**roles.config(), "given": [1]}, {})
    with pytest.raises(ModelError, match="lacks 'schema'"):
        Roles.from_files({}, {})


def test_version_0_1_had_names_and_types():
    old = {"schema": {"columns": ["a", "b"], "dtypes": ["float64", "int64"]}}
    assert Roles.from_files(old, {}).columns == ("a", "b")
    with pytest.raises(ModelError, match="as many names"):
        Roles.from_files({"schema": {"columns": ["a"], "dtypes": []}}, {})
