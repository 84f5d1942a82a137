import numpy as np
import pytest
from scipy.spatial import KDTree

from rheon.estimators.surprise import Surprise, _surprisal
from rheon.training import Settings

SETTINGS = Settings(steps=2, threads=1)


def test_a_rank_becomes_a_surprisal():
    ordinary = np.arange(100.0)
    found = _surprisal(ordinary, np.array([-5.0, 0.0, 50.0, 99.0, 1e9]))
    # Of 101 rows, with the one that is judged, one is as surprising as a row beyond all others.
    np.testing.assert_allclose(found[:4], -np.log([100 / 101, 100 / 101, 50 / 101, 1 / 101]))
    assert found[3] < found[4] < found[3] + 2
    assert (np.diff(_surprisal(ordinary, np.linspace(-1, 200, 999))) >= 0).all()


@pytest.mark.parametrize("k", [1, 5])
def test_the_distance_is_to_the_neighbour_that_is_told(rows, k):
    surprise = Surprise(rows, SETTINGS, k)
    new = np.random.default_rng(0).normal(size=(50, 2))
    z, near = (new - rows.mean(0)) / rows.std(0), (rows - rows.mean(0)) / rows.std(0)
    distance = KDTree(near).query(z, [k])[0][:, 0]
    np.testing.assert_allclose(surprise.ways(new)[2], np.log(distance + 1e-6))


def test_a_row_is_no_neighbour_of_itself(rows):
    rows = np.concatenate((rows, rows[:3]))  # three come twice
    found = Surprise(rows, SETTINGS).ways(rows)[2]
    near = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(found, np.log(KDTree(near).query(near, 2)[0][:, 1] + 1e-6), atol=1e-6)
    assert (np.flatnonzero(found == np.log(1e-6)) == [0, 1, 2, 600, 601, 602]).all()


def test_rows_are_ordinary_by_what_has_not_seen_them(rows):
    surprise = Surprise(rows, SETTINGS)
    assert [len(ways) for ways in surprise.ordinary] == [600, 600, 600]
    np.testing.assert_array_equal(surprise.ordinary[2], np.sort(surprise.ways(rows)[2]))


def test_another_value_where_none_was_seen_costs_what_succession_says(rows):
    wide = np.insert(rows, 0, 7.0, axis=1)
    surprise = Surprise(wide, SETTINGS)
    plain = surprise(wide)
    wide[:, 0] = 8.0
    np.testing.assert_allclose(surprise(wide) - plain, np.log(601))


def test_units_do_not_matter(rows):
    plain, other = Surprise(rows, SETTINGS), Surprise(rows * 4096, SETTINGS)
    assert np.array_equal(plain(rows), other(rows * 4096))


def test_many_rows_are_learned_by_two_flows_that_leave_out_a_quarter_each():
    rows = np.random.default_rng(0).normal(size=(2000, 2))
    surprise = Surprise(rows, SETTINGS)
    assert len(surprise.flows) == 2
    assert [len(ways) for ways in surprise.ordinary] == [1000, 1000, 2000]
