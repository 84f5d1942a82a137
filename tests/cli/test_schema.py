"""Tables of any columns through the command: what they are, what is given, rows as they were."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rheon as library
from rheon.datasets import load_table
from tests.cli.conftest import config


@pytest.fixture(scope="module")
def clinic():
    return pa.table(load_table("clinic"))


def test_a_schema_is_printed_edited_and_learned(here, rheon, clinic):
    shown = rheon("schema clinic")
    assert (shown.code, shown.err) == (0, "")
    assert 'name = "coughs"\nkind = "ordinal"' in shown.out
    edited = shown.out.replace('name = "coughs"\nkind = "ordinal"', 'name = "coughs"\nkind = "text"')
    (here / "s.toml").write_text(edited)
    pq.write_table(clinic, here / "c.parquet")
    fitted = rheon("fit c.parquet --schema s.toml --steps 2")
    assert fitted.code == 0
    assert "  coughs     text         left out: as the schema says" in fitted.out
    assert "independent columns" in fitted.out
    assert "coughs" not in library.load(here / "c.rheon").columns
    assert "coughs     text, as the schema says" in rheon("info c.rheon").out
    assert config(here / "c.rheon")["architecture"]["name"] == "masked"


def test_rows_are_drawn_as_they_were(here, rheon, clinic):
    assert rheon("fit clinic --steps 3 --out m").code == 0
    shown = rheon("sample m -n 300 --seed 0 --out new.parquet")
    assert (shown.code, shown.out) == (0, "new.parquet: 300 new rows\n")
    new = pq.read_table(here / "new.parquet")
    assert new.schema.names == clinic.schema.names
    assert [f.type for f in new.schema] == [f.type for f in clinic.schema]
    for name in ("sex", "site", "coughs"):
        assert set(new[name].to_pylist()) <= set(clinic[name].to_pylist())
    assert new["smokes"].null_count > 0
    cost = new["cost"].to_pylist()
    assert cost.count(0) > 50
    assert max(cost) <= 300
    assert all(round(value, 2) == value for value in cost)
    scored = rheon("score m new.parquet --draws 2 --out s.csv")
    assert scored.code == 0
    assert "log p of 300 rows is a lower bound" in scored.err


def test_what_is_given_is_given(here, rheon, clinic):
    pq.write_table(clinic, here / "c.parquet")
    assert rheon("fit c.parquet --given sex,age --steps 2").code == 0
    pq.write_table(clinic.select(["age", "sex"])[:7], here / "given.parquet")
    assert rheon("sample c.rheon --given given.parquet -n 3 --out new.parquet").code == 0
    new = pq.read_table(here / "new.parquet")
    assert new["age"].to_pylist()[::3] == clinic["age"].to_pylist()[:7]
    assert new.num_rows == 21
    missing = rheon("sample c.rheon -n 3 --out new.csv")
    assert (missing.code, "rows with sex, age" in missing.err) == (2, True)
    assert "given" in rheon("info c.rheon").out
