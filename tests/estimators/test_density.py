import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rheon.estimators import FlowDensity


@pytest.fixture(scope="module")
def density(rows):
    return FlowDensity(steps=60, random_state=0).fit(rows)


def test_it_is_a_density(density):
    edges = np.linspace(-2.5, 2.5, 160)
    grid = np.stack(np.meshgrid(edges, edges), -1).reshape(-1, 2)
    cell = (edges[1] - edges[0]) ** 2
    assert np.exp(density.score_samples(grid)).sum() * cell == pytest.approx(1, abs=0.02)


def test_its_score_is_the_mean_and_better_than_one_normal_distribution(density, rows):
    assert density.score(rows) == density.score_samples(rows).mean()
    assert density.score(rows) > GaussianMixture(1).fit(rows).score(rows) + 0.3


def test_its_samples_lie_where_the_rows_do(density, rows):
    drawn = density.sample(2000, random_state=5)
    assert np.array_equal(drawn, density.sample(2000, random_state=5))
    assert not np.array_equal(drawn, density.sample(2000))
    assert density.sample().shape == (1, 2)
    radius = np.linalg.norm(drawn, axis=1)
    assert np.median(radius) == pytest.approx(1, abs=0.1)
    for bad in (0, 2.5):
        with pytest.raises(ValueError, match="n_samples"):
            density.sample(bad)


def test_a_column_that_does_not_vary_is_narrow_and_normal(rows):
    wide = np.insert(rows, 0, 1e9, axis=1)
    narrow = FlowDensity(steps=2, random_state=0).fit(wide)
    plain = FlowDensity(steps=2, random_state=0).fit(rows)
    peak = -np.log(1e-3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(narrow.score_samples(wide), plain.score_samples(rows) + peak, rtol=1e-12)
    wide[:, 0] += 2e-3
    np.testing.assert_allclose(narrow.score_samples(wide), plain.score_samples(rows) + peak - 2, atol=1e-3)
    assert narrow.sample(1000, random_state=0)[:, 0].std() == pytest.approx(1e-3, rel=0.1)


def test_units_change_the_score_by_the_log_determinant(rows):
    plain, other = (FlowDensity(steps=2, random_state=0).fit(rows * unit) for unit in (1.0, [1024, 0.125]))
    shifted = other.score_samples(rows * [1024, 0.125]) + np.log(1024 * 0.125)
    np.testing.assert_allclose(shifted, plain.score_samples(rows), rtol=1e-12)


def test_it_stands_in_pipelines_and_grid_searches(rows):
    pipeline = make_pipeline(StandardScaler(), FlowDensity(steps=2, random_state=0))
    search = GridSearchCV(pipeline, {"flowdensity__steps": [1, 20]}, cv=2).fit(rows)
    assert search.best_params_ == {"flowdensity__steps": 20}
    assert search.score(rows) == pipeline.set_params(**search.best_params_).fit(rows).score(rows)
