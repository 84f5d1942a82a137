import numpy as np
import pytest

from rheon.datasets import TABLES, clinic, load_table


@pytest.mark.parametrize(
    ("name", "rows", "columns"), [("wine", 178, 14), ("breast_cancer", 569, 31), ("diabetes", 442, 11)]
)
def test_tables_of_scikit_learn(name, rows, columns):
    table = load_table(name)
    assert len(table) == columns
    assert {len(values) for values in table.values()} == {rows}


def test_the_clinic_has_every_kind_of_column_and_follows_from_its_seed():
    first, again, other = clinic(), clinic(), clinic(seed=1)
    assert first["weight_kg"].tolist() == again["weight_kg"].tolist() != other["weight_kg"].tolist()
    assert {None, True, False} == set(first["smokes"])
    cost = np.array(first["cost"])
    assert 0.4 < (cost == 0).mean() < 0.6
    assert (cost == cost.max()).mean() > 0.03
    assert clinic(n=50)["sex"].shape == (50,)
    assert set(TABLES) == {"wine", "breast_cancer", "diabetes", "clinic"}
