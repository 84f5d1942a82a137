import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rheon.errors import DataError
from rheon.tables import TableDensity, read_table
from rheon.tables.imputed import fill
from rheon.training import Settings


@pytest.fixture(scope="module")
def clinic():
    return TableDensity().fit(read_table("clinic"), settings=Settings(steps=20, threads=1))


def with_holes(table, seed=0):
    rng = np.random.default_rng(seed)
    columns = [pa.array(c.to_pylist(), c.type, mask=rng.random(len(table)) < 0.2) for c in table.columns]
    return pa.table(columns, names=table.column_names)


def test_what_is_there_stays_as_it_is_and_the_rest_has_the_columns_own_values(clinic):
    table = with_holes(read_table("clinic").data.slice(0, 80))
    holes = table.append_column("note", pa.array([f"{i}" if i % 2 else None for i in range(80)]))
    holes = holes.select(["note", *reversed(table.column_names)])
    found = clinic.impute(holes, draws=2, seed=3)
    assert found.table.column_names == [*holes.column_names, "draw"]
    assert found.table["draw"].to_pylist() == [1] * 80 + [2] * 80
    assert found.left == ("note",)
    lacking = [c.null_count for c in table.columns]
    assert found.cells == sum(lacking)
    for draw in (found.table.slice(0, 80), found.table.slice(80)):
        assert draw.drop_columns("draw").schema.types == holes.schema.types
        for name in table.column_names:
            there = holes[name].is_valid()
            assert draw[name].filter(there).equals(holes[name].filter(there))
            column, values = clinic.schema[name], draw[name].to_pylist()
            assert None not in values
            if column.categories:
                assert set(values) <= set(column.categories)
            elif column.kind in ("stepped", "integer"):
                places = (np.array(values) - column.origin) / column.step
                np.testing.assert_allclose(places, np.rint(places), atol=1e-6)
                assert column.low <= min(values) <= max(values) <= column.high
    assert (
        not found.table.slice(0, 80).drop_columns("draw").equals(found.table.slice(80).drop_columns("draw"))
    )
    lacks = np.any([~c.is_valid().to_numpy() for c in table.columns], axis=0)
    assert np.array_equal(np.isnan(found.effective), ~lacks)


def test_rows_without_holes_come_back(clinic):
    table = read_table("clinic").data.drop_null().slice(0, 5)
    found = clinic.impute(table)
    assert found.table.equals(table)
    assert (found.cells, found.left) == (0, ())
    assert np.isnan(found.effective).all()


def test_rows_without_names_and_frames():
    rows = np.random.default_rng(0).normal(size=(100, 3))
    model = TableDensity().fit(rows, settings=Settings(steps=2, threads=1))
    found = model.impute(np.array([[1.0, np.nan, 2.0]])).table
    assert found.column_names == ["x0", "x1", "x2"]
    frame = pd.DataFrame({"x2": [2.0], "x0": [1.0], "x1": [np.nan]})
    assert model.impute(frame).table.select(["x0", "x1", "x2"]).equals(found)
    with pytest.raises(DataError, match="there is a column 'draw' already"):
        model.impute(frame.assign(draw=1), draws=2)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (pa.array([1, None], pa.int32()), [2.0], pa.array([1, 2], pa.int32())),
        (pa.array([1, None], pa.int64()), [2.5], pa.array([1.0, 2.5])),
        (pa.nulls(1), ["a"], pa.array(["a"])),
        (pa.array([0.1, float("nan")]), [0.5], pa.array([0.1, 0.5])),
        (pa.array(["a", None]).dictionary_encode(), ["b"], pa.array(["a", "b"]).dictionary_encode()),
        (
            pa.array([None, 1], pa.timestamp("ms")),
            [datetime.datetime(2020, 1, 1)],
            pa.array([1577836800000, 1], pa.timestamp("ms")),
        ),
    ],
)
def test_a_column_keeps_its_type_where_it_can(column, values, expected):
    chunked = pa.chunked_array([column])
    missing = np.array([v is None or v != v for v in column.to_pylist()])
    missing = missing | ~column.is_valid().to_numpy(zero_copy_only=False)
    found = fill(chunked, missing, pa.chunked_array([values]))
    assert found.type == expected.type
    assert found.to_pylist() == expected.to_pylist()


def test_a_row_that_cannot_be_is_told(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    model = TableDensity("nice").fit(rows, settings=Settings(steps=2, threads=1))
    density = model.learned.density
    monkeypatch.setattr(
        model.learned,
        "density",
        lambda codes, y, given: np.where(y[:, 0] > 9, -np.inf, density(codes, y, given)),
    )
    with pytest.raises(DataError, match="row 2: no draw of what is missing has a probability"):
        model.impute([[0.0, np.nan], [10.0, np.nan]])
