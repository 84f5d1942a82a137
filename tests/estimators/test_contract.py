"""What scikit-learn asks of any estimator, and what all of ours promise beyond it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import rheon
from rheon.estimators import FlowDensity, FlowOutlierDetector, FlowTransformer, PyODFlowDetector

SMALL = [FlowDensity(steps=2), FlowOutlierDetector(steps=2), FlowTransformer(steps=2)]
ALL = [*SMALL, PyODFlowDetector(steps=2)]


@parametrize_with_checks(SMALL)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


def outputs(estimator, x):
    for name in ("score_samples", "decision_function", "transform"):
        if hasattr(estimator, name):
            yield getattr(estimator, name)(x)


@pytest.fixture(scope="module", params=ALL, ids=lambda estimator: type(estimator).__name__)
def estimator(request, rows):
    # A column that does not vary stands among the others in all that follows.
    return clone(request.param).set_params(random_state=3).fit(np.insert(rows, 1, 7.0, axis=1))


@pytest.fixture
def x(rows):
    return np.insert(rows, 1, 7.0, axis=1)


def test_bits_of_a_row_do_not_depend_on_the_others(estimator, x):
    for whole, backwards in zip(outputs(estimator, x), outputs(estimator, x[::-1]), strict=True):
        assert np.array_equal(whole, backwards[::-1])
    for whole, alone in zip(outputs(estimator, x), outputs(estimator, x[17:18]), strict=True):
        assert np.array_equal(whole[17:18], alone)
    many = np.tile(x, (4, 1))  # more than a tile
    for whole, tiled in zip(outputs(estimator, x), outputs(estimator, many), strict=True):
        assert np.array_equal(np.concatenate([whole] * 4), tiled)


def test_a_copy_is_made_from_arrays_and_gives_the_same_bits(estimator, x):
    for other in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):  # noqa: S301
        for here, there in zip(outputs(estimator, x), outputs(other, x), strict=True):
            assert np.array_equal(here, there)
    assert b"torch" not in pickle.dumps(estimator)


def test_a_seed_decides_every_bit(estimator, x, untouched_rng):
    again = clone(estimator).fit(x)
    for here, there in zip(outputs(estimator, x), outputs(again, x), strict=True):
        assert np.array_equal(here, there)


def test_none_takes_a_fresh_seed_and_leaves_the_callers_random_state(estimator, x, untouched_rng):
    fresh = clone(estimator).set_params(random_state=None)
    first, second = (next(outputs(fresh.fit(x), x)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_frames_are_known_by_their_names(estimator, x):
    frame = pd.DataFrame(x, columns=["u", "one", "v"])
    fitted = clone(estimator).fit(frame)
    assert list(fitted.feature_names_in_) == ["u", "one", "v"]
    for of_frame, of_array in zip(outputs(fitted, frame), outputs(estimator, x), strict=True):
        assert np.array_equal(of_frame, of_array)
    with pytest.raises(ValueError, match="feature names"):
        next(outputs(fitted, frame[["v", "one", "u"]]))


def test_minutes_stand_in_place_of_steps(estimator, x):
    assert np.isfinite(next(outputs(clone(estimator).set_params(minutes=0.005).fit(x), x))).all()


def test_what_cannot_be_learned_from_is_refused_in_words(estimator, x):
    with pytest.raises(ValueError, match="minimum of 10"):
        clone(estimator).fit(x[:9])
    with pytest.raises(rheon.DataError, match="no column varies"):
        clone(estimator).fit(np.ones((30, 2)))
    with pytest.raises(rheon.RheonError, match="learning_rate"):
        clone(estimator).set_params(learning_rate=-1).fit(x)


@pytest.mark.parametrize("name", ["FlowDensity", "FlowOutlierDetector", "FlowTransformer"])
def test_estimators_stand_at_the_door(name):
    assert getattr(rheon, name) is getattr(rheon.estimators, name)
