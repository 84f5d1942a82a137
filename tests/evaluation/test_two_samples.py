import numpy as np
import pytest
from scipy import stats

from rheon import DataError
from rheon.evaluation import correlations, ks_by_column, two_sample_auc

RNG = np.random.default_rng(0)


def test_ks_is_scipys():
    a, b = RNG.normal(size=300), RNG.normal(0.3, 1.4, size=250)
    expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks_by_column({"x": a}, {"x": b})["x"] == pytest.approx(expected, abs=1e-12)


def test_ks_of_categories_is_that_of_shares_in_the_order_of_frequency():
    real = np.array(["b"] * 6 + ["a"] * 3 + [None], dtype=object)
    drawn = np.array(["b"] * 3 + ["a"] * 3 + [None] * 3 + ["new"], dtype=object)
    # shares real .6 .3 .1 0, drawn .3 .3 .3 .1: cumulated .6 .9 1 1 and .3 .6 .9 1
    assert ks_by_column({"c": real}, {"c": drawn})["c"] == pytest.approx(0.3)


def test_missing_numbers_count():
    full, holes = np.arange(10.0), np.arange(10.0)
    holes[5:] = np.nan
    assert ks_by_column({"x": full}, {"x": holes})["x"] == pytest.approx(0.5)


def test_classifiers_cannot_tell_the_same_distribution_and_tell_a_dependence():
    same = [{"a": RNG.normal(size=3000), "c": RNG.choice(["u", "v"], 3000)} for _ in range(2)]
    found = two_sample_auc(*same)
    assert found["logistic"] == pytest.approx(0.5, abs=0.03)
    assert found["boosting"] == pytest.approx(0.5, abs=0.03)
    x = RNG.normal(size=3000)
    tied = {"a": x, "b": x + 0.1 * RNG.normal(size=3000)}
    free = {"a": RNG.normal(size=3000), "b": RNG.normal(size=3000)}
    found = two_sample_auc(tied, free)
    assert found["boosting"] > 0.9, "sees what depends on what"
    assert found["logistic"] == pytest.approx(0.5, abs=0.05), "sees means only"


def test_an_indicator_shows_a_category_to_the_linear_model():
    real = {"c": RNG.choice(["u", "v", "w"], 2000, p=[0.4, 0.3, 0.3])}
    drawn = {"c": RNG.choice(["u", "v", "w"], 2000, p=[0.4, 0.6, 0.0])}
    assert two_sample_auc(real, drawn)["logistic"] > 0.6


def test_correlations_are_scipys_pair_by_pair():
    x = RNG.normal(size=(200, 3)) @ np.array([[1, 0.5, 0], [0, 1, -0.7], [0, 0, 1]])
    x[:40, 1] = np.nan
    names, matrix = correlations({"a": x[:, 0], "b": x[:, 1], "text": np.array(["t"] * 200), "c": x[:, 2]})
    assert names == ["a", "b", "c"]
    assert matrix[0, 2] == pytest.approx(stats.spearmanr(x[:, 0], x[:, 2]).statistic)
    assert matrix[0, 1] == pytest.approx(stats.spearmanr(x[40:, 0], x[40:, 1]).statistic)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_what_does_not_vary_has_no_correlation():
    assert correlations({"a": np.ones(5), "b": np.arange(5.0)})[1][0, 1] == 0.0


def test_other_columns_and_no_rows_are_refused():
    with pytest.raises(DataError, match="same columns"):
        ks_by_column({"a": np.ones(3)}, {"b": np.ones(3)})
    with pytest.raises(DataError, match="at least one"):
        ks_by_column({"a": np.ones(0)}, {"a": np.ones(3)})
    with pytest.raises(DataError, match="tell too little"):
        two_sample_auc({"a": np.ones(3)}, {"a": np.ones(3)})
