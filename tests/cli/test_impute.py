import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rheon as library
from rheon.tables import read_table


def test_missing_cells_are_filled(models, here, rheon):
    table = pa.table({"id": ["p", "q", "r"], "x1": [0.5, None, None], "x0": [1.0, 0.25, None]})
    pq.write_table(table, here / "holes.parquet")
    shown = rheon(f"impute {models}/moons.rheon holes.parquet --out whole.parquet --seed 4")
    assert shown.code == 0
    assert "whole.parquet: 3 rows, 3 missing cells of 2 rows drawn\n" in shown.out
    assert "exactly, by sums and quadrature: 1 rows\n" in shown.out
    assert "by importance, where two numbers or more are missing: 1 rows; effective draws" in shown.out
    whole = pq.read_table(here / "whole.parquet")
    assert whole.schema.equals(table.schema)
    expected = library.load(models / "moons.rheon").impute(table, seed=4).table
    assert whole.equals(expected)
    assert whole["x1"][0].as_py() == 0.5


def test_several_draws_are_numbered_in_text_too(models, here, rheon):
    (here / "holes.csv").write_text("id;x1;x0\n007;0,5;1,25\nb;;-0,25\n")
    shown = rheon(f"impute {models}/moons.rheon holes.csv -n 3 --out whole.csv")
    assert "1 missing cells of 1 rows drawn, 3 times" in shown.out
    assert "commas for decimal points" in shown.err
    whole = read_table(here / "whole.csv").data
    assert whole.column_names == ["id", "x1", "x0", "draw"]
    assert whole["id"].to_pylist() == ["007", "b"] * 3
    assert whole["x0"].to_pylist() == [1.25, -0.25] * 3
    assert whole["draw"].to_pylist() == [1, 1, 2, 2, 3, 3]
    assert len(set(whole["x1"].to_pylist())) == 4


def test_columns_that_the_model_does_not_know_are_told(models, here, rheon):
    pq.write_table(pa.table({"x0": [0.0], "x1": [0.5], "note": pa.nulls(1, pa.string())}), here / "h.parquet")
    shown = rheon(f"impute {models}/moons.rheon h.parquet --out w.parquet")
    assert "the model does not know note: what they lack is missing still" in shown.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("digits.rheon x.npy --out w.csv", "impute is for models of tables"),
        ("moons.rheon x.npy --out w.png", "must end in .csv"),
        ("moons.rheon y.npy --out w.csv", "there is no file or folder y.npy"),
        ("moons.rheon x.npy --out w.csv -n 0", "Must be >= 1"),
    ],
)
def test_what_cannot_be_asked(models, here, rheon, words, says):
    np.save("x.npy", np.zeros((2, 2)))
    shown = rheon(f"impute {models}/{words}")
    assert shown.code in (2, 3)
    assert says in shown.err
