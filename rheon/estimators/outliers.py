"""FlowOutlierDetector, with the signs of scikit-learn, and PyODFlowDetector, with those of PyOD."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from sklearn.base import OutlierMixin

from rheon.errors import RheonError
from rheon.estimators.learned import Array, FlowEstimator
from rheon.estimators.surprise import Surprise

_AMONG_OUTLIERS = 5
"""The neighbour that distances go to where outliers may be among the rows learned from, in small groups."""


class FlowOutlierDetector(OutlierMixin, FlowEstimator):
    """Tells rows that are unlike those it was fitted to.

    The score is -S(x), the sum of log p-values of three ways of being unlikely: see
    :class:`~rheon.estimators.surprise.Surprise`. It depends neither on the columns' units, nor on the other
    rows that are scored.

    Args:
        contamination: the share of the rows fitted to that are outliers, above 0 and at most 0.5; "auto": all
            are ordinary, of which one in a hundred counts as an outlier.
        steps: budget of training of each flow, in optimiser steps: the same seed gives the same bits.
        minutes: budget in minutes of wall time, for all of them, in place of ``steps``.
        batch_size: rows per step.
        learning_rate: its peak.
        random_state: a seed, a ``RandomState``, or None for a fresh one.

    Attributes:
        offset_: ``decision_function`` is ``score_samples`` less this.
        n_features_in_: D.
        feature_names_in_: names of the columns, where the rows had any.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = FlowOutlierDetector(steps=20, random_state=0).fit(x)
    >>> detector.predict([[0.0, 0.0], [9.0, -9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        *,
        contamination: float | str = "auto",
        steps: int = 400,
        minutes: float | None = None,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            steps=steps,
            minutes=minutes,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, (N, D), of which N is at least 10; y is not looked at."""
        rows, share = self._learn_from(X), _share(self.contamination, auto=0.01)
        neighbour = 1 if self.contamination == "auto" else _AMONG_OUTLIERS
        self.surprise_ = Surprise(rows, self._settings(), neighbour)
        self.offset_ = float(np.percentile(-self.surprise_(rows), 100 * share))
        return self

    def score_samples(self, X: Any) -> Array:
        """-S of each row, (N,): 0 for the most ordinary, the lower the more unusual."""
        rows = self._rows(X)
        return -self.surprise_(rows)

    def decision_function(self, X: Any) -> Array:
        """The score less ``offset_``: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for ordinary rows, -1 for outliers."""
        return np.where(self.decision_function(X) >= 0, 1, -1)


class PyODFlowDetector(FlowEstimator):
    """The same detector as PyOD has it: a high score is an outlier, whose label is 1; others have 0.

    PyOD itself is not needed.

    Reference: Zhao, Nasrullah, Li, *PyOD: A Python Toolbox for Scalable Outlier Detection*, 2019,
    arXiv:1901.01588.

    Args:
        contamination: the share of the rows fitted to that count as outliers, above 0 and at most 0.5.
        steps, minutes, batch_size, learning_rate, random_state: as for :class:`FlowOutlierDetector`.

    Attributes:
        decision_scores_: of the rows fitted to, (N,).
        threshold_: beyond it a score is an outlier's.
        labels_: of the rows fitted to, (N,), 0 or 1.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = PyODFlowDetector(steps=20, random_state=0).fit(x)
    >>> int(detector.labels_.sum()), detector.predict([[0.0, 0.0], [9.0, -9.0]])
    (20, array([0, 1]))
    """

    def __init__(
        self,
        contamination: float = 0.1,
        *,
        steps: int = 400,
        minutes: float | None = None,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            steps=steps,
            minutes=minutes,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, (N, D), of which N is at least 10; y is not looked at."""
        rows, share = self._learn_from(X), _share(self.contamination)
        self.surprise_ = Surprise(rows, self._settings(), _AMONG_OUTLIERS)
        self.decision_scores_ = self.surprise_(rows)
        self.threshold_ = float(np.percentile(self.decision_scores_, 100 * (1 - share)))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:
        """The labels of the rows that it is fitted to."""
        return self.fit(X).labels_

    def decision_function(self, X: Any) -> Array:
        """S of each row, (N,): the higher the more unusual."""
        rows = self._rows(X)
        return self.surprise_(rows)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for outliers, else 0."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def predict_proba(self, X: Any, method: str = "linear") -> Array:
        """(N, 2): how sure it is that a row is ordinary, and that it is an outlier; a scale, no probability.

        "linear": the score between the least and the greatest of the rows fitted to. "unify": by the error
        function of the score in their standard deviations (Kriegel, Kröger, Schubert, Zimek, 2011).
        """
        scores, known = self.decision_function(X), self.decision_scores_
        if method == "linear":
            share = (scores - known.min()) / max(np.ptp(known), 1e-300)
        elif method == "unify":
            share = erf((scores - known.mean()) / max(known.std(), 1e-300) / np.sqrt(2))
        else:
            raise RheonError(f"method must be 'linear' or 'unify', got {method!r}.")
        share = share.clip(0, 1)
        return np.column_stack((1 - share, share))


def _share(contamination: Any, auto: float | None = None) -> float:
    if auto is not None and isinstance(contamination, str) and contamination == "auto":
        return auto
    if isinstance(contamination, str) or not 0 < contamination <= 0.5:
        also = "" if auto is None else ", or 'auto'"
        raise RheonError(f"contamination must be above 0 and at most 0.5{also}; got {contamination!r}.")
    return float(contamination)
