import numpy as np
import pytest

from rheon.estimators import FlowOutlierDetector, PyODFlowDetector

FAR = np.array([[0.0, 0.0], [3.0, 3.0], [-40.0, 1e6]])
"""The middle of the ring, a row outside, and one far away."""


@pytest.fixture(scope="module")
def detector(rows):
    return FlowOutlierDetector(steps=60, random_state=0).fit(rows)


def test_it_tells_what_lies_off_the_ring(detector, rows):
    assert list(detector.predict(FAR)) == [-1, -1, -1]
    assert detector.predict(rows).mean() > 0.95
    scores = detector.score_samples(FAR)
    assert scores[2] < scores[1]
    assert (scores < np.quantile(detector.score_samples(rows), 0.01)).all()


def test_its_signs_are_scikit_learns(detector, rows):
    np.testing.assert_array_equal(
        detector.decision_function(rows), detector.score_samples(rows) - detector.offset_
    )
    np.testing.assert_array_equal(detector.predict(rows) == 1, detector.decision_function(rows) >= 0)
    assert (detector.predict(rows) == -1).sum() == 6  # "auto": one in a hundred of 600


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_contamination_is_the_share_of_outliers(rows, share):
    labels = FlowOutlierDetector(steps=2, contamination=share, random_state=0).fit_predict(rows)
    assert (labels == -1).mean() == pytest.approx(share)


@pytest.mark.parametrize("share", ["none", 0.0, 0.6, float("nan")])
def test_no_other_contamination_is_taken(rows, share):
    for detector in (FlowOutlierDetector, PyODFlowDetector):
        with pytest.raises(ValueError, match="contamination"):
            detector(steps=2, contamination=share).fit(rows)
    with pytest.raises(ValueError, match="contamination"):
        PyODFlowDetector(contamination="auto").fit(rows)


def test_pyods_signs_are_the_other_way_round(rows):
    other = PyODFlowDetector(contamination=0.1, steps=60, random_state=0).fit(rows)
    same = FlowOutlierDetector(contamination=0.1, steps=60, random_state=0).fit(rows)
    np.testing.assert_array_equal(other.decision_function(rows), -same.score_samples(rows))
    np.testing.assert_array_equal(other.decision_scores_, other.decision_function(rows))
    assert list(other.predict(FAR)) == [1, 1, 1]
    assert other.labels_.sum() == 60
    np.testing.assert_array_equal(other.labels_, other.decision_scores_ > other.threshold_)
    np.testing.assert_array_equal(other.labels_, other.predict(rows))
    np.testing.assert_array_equal(other.fit_predict(rows), other.labels_)


def test_pyods_two_ways_to_a_share(rows):
    other = PyODFlowDetector(steps=2, random_state=0).fit(rows)
    linear, unify = other.predict_proba(rows), other.predict_proba(rows, method="unify")
    for shares in (linear, unify):
        assert shares.shape == (600, 2)
        np.testing.assert_allclose(shares.sum(1), 1)
        assert shares.min() >= 0
    s = other.decision_scores_
    np.testing.assert_allclose(linear[:, 1], (s - s.min()) / (s.max() - s.min()))
    assert unify[s.argmax(), 1] > 0.9
    assert not unify[s < s.mean(), 1].any()
    with pytest.raises(ValueError, match="linear"):
        other.predict_proba(rows, method="rank")
