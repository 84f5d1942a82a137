import numpy as np
import pytest
from scipy.stats import kstest

from rheon.estimators import FlowTransformer


@pytest.fixture(scope="module")
def map_(rows):
    return FlowTransformer(steps=150, random_state=0).fit(rows)


def test_it_is_inverted(map_, rows):
    np.testing.assert_allclose(map_.inverse_transform(map_.transform(rows)), rows, atol=1e-3)
    z = np.random.default_rng(0).normal(size=(300, 2))
    np.testing.assert_allclose(map_.transform(map_.inverse_transform(z)), z, atol=1e-2)


def test_its_features_are_nearly_normal_and_independent(map_, rows):
    z = map_.transform(rows)
    for column in z.T:
        assert kstest(column, "norm").statistic < 0.1
    # On the ring the squares of two normalised columns are far from independent.
    assert abs(np.corrcoef(z.T**2)[0, 1]) < abs(np.corrcoef(rows.T**2)[0, 1]) / 2


def test_its_features_have_names_of_their_own(map_, rows):
    names = ["flowtransformer0", "flowtransformer1"]
    assert list(map_.get_feature_names_out()) == names
    framed = FlowTransformer(steps=1, random_state=0).set_output(transform="polars").fit_transform(rows)
    assert framed.columns == names


def test_a_column_that_does_not_vary_comes_last_and_comes_back(rows):
    wide = np.insert(rows, 0, 7.0, axis=1)
    map_ = FlowTransformer(steps=2, random_state=0).fit(wide)
    z = map_.transform(wide)
    assert z.shape == wide.shape
    assert not z[:, 2].any()
    np.testing.assert_allclose(map_.inverse_transform(z), wide, atol=1e-3)


def test_z_of_another_width_is_refused(map_):
    with pytest.raises(ValueError, match="3 features; z has 2"):
        map_.inverse_transform(np.zeros((1, 3)))
