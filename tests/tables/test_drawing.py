"""New rows as tables, and tables as numbers."""

import numpy as np
import pyarrow as pa
import pytest

from rheon.errors import RheonError
from rheon.tables import guess
from rheon.tables.drawing import draw_numbers, draw_table, numbers_of
from rheon.tables.roles import Roles


class Drawn:
    """What a density would draw."""

    def __init__(self, codes, y):
        self.codes, self.y = codes, y

    def sample(self, n, given, temperature, generator):
        return self.codes[:n], self.y[:n]


TABLE = pa.table({"k": ["a", "b"] * 30, "x": np.random.default_rng(0).normal(size=60)})
ROLES = Roles(guess(TABLE))


def test_rows_have_the_columns_that_were_learned():
    drawn = draw_table(Drawn(np.array([[1], [0]]), np.array([[0.5], [1.5]])), ROLES, 2, None, 1.0, 0)
    assert drawn.to_pydict() == {"k": ["b", "a"], "x": [0.5, 1.5]}


def test_what_is_given_stands_beside_what_is_drawn_in_the_order_of_the_table():
    roles = Roles(ROLES.schema, ("k",))
    roles.learn_features(roles.read(TABLE))
    model = Drawn(np.empty((2, 0), dtype=np.int64), np.array([[0.5], [1.5]]))
    drawn = draw_table(model, roles, 2, pa.table({"k": ["b", "b"]}), 1.0, 0)
    assert drawn.to_pydict() == {"k": ["b", "b"], "x": [0.5, 1.5]}
    with pytest.raises(RheonError, match="with k"):
        draw_table(model, roles, 2, None, 1.0, 0)


def test_infinite_values_are_not_passed_on():
    for draw in (draw_numbers, lambda model, *how: draw_table(model, ROLES, how[0], None, *how[1:])):
        with pytest.raises(RheonError, match="lower temperature"):
            draw(Drawn(np.array([[0]]), np.array([[np.inf]])), 1, 1.0, 0)


def test_numbers_of_a_table():
    numbers = numbers_of(pa.table({"n": [1, None], "x": [0.5, 1.5]}))
    np.testing.assert_array_equal(numbers, [[1, 0.5], [np.nan, 1.5]])
    with pytest.raises(RheonError, match="'k' is not of numbers"):
        numbers_of(TABLE)
