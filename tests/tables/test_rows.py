"""The kind of density that a table calls for."""

import numpy as np
import pyarrow as pa
import pytest

from rheon.architectures import nice
from rheon.errors import ModelError, RheonError
from rheon.tables import guess
from rheon.tables.mixed import Mixed
from rheon.tables.numbers import Numbers
from rheon.tables.roles import Roles
from rheon.tables.rows import density_of, new_density
from rheon.training import Settings

X, Y = np.random.default_rng(0).normal(size=(2, 60))
TABLE = pa.table({"k": ["a", "b"] * 30, "x": X, "y": Y})
REAL = guess(TABLE.select(["x", "y"]))


def test_real_numbers_alone_or_mixed_columns():
    assert isinstance(new_density(Roles(REAL), "tabular"), Numbers)
    assert isinstance(new_density(Roles(REAL, ("x",)), "tabular"), Mixed)
    assert isinstance(new_density(Roles(guess(TABLE)), "spline"), Mixed)
    assert isinstance(new_density(Roles(REAL), nice), Numbers)
    with pytest.raises(RheonError, match="for tables of real numbers alone"):
        new_density(Roles(guess(TABLE)), nice)


def test_a_model_of_other_columns_is_refused():
    roles = Roles(REAL)
    numbers = new_density(roles, "nice")
    rows, _ = roles.encode(roles.read(TABLE))
    for _ in numbers.training(rows, None, Settings(steps=1, threads=1)):
        pass
    config, tensors = numbers.config(), numbers.tensors()
    assert density_of(roles, config, dict(tensors)).flows
    for others in (Roles(REAL.pick(("x",))), Roles(guess(TABLE))):
        with pytest.raises(ModelError, match="other columns"):
            density_of(others, config, dict(tensors))
