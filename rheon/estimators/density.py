"""FlowDensity: rheon's density of tables, beside scikit-learn's mixtures and kernels."""

from typing import Any, Self

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from rheon.errors import RheonError, whole
from rheon.estimators.learned import Array, FlowEstimator, Learned, generator_of


class FlowDensity(DensityMixin, FlowEstimator):
    """The exact density of rows of real numbers, by flows and a Gaussian mixture beside them.

        log p(x) = log( w / M Σ_m p_m(z) + (1 - w) p_mixture(z) ) + log|det ∂z/∂x|

    As :class:`~rheon.TableDensity` fits it, in the columns' own units: nothing has to be scaled. A change of
    units changes the score by exactly the change's log-determinant. A column that does not vary counts as
    normal about its value, with the standard deviation 1e-3, which is what ``GaussianMixture`` takes it for.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        steps: budget of training, in optimiser steps: the same seed gives the same bits.
        minutes: budget in minutes of wall time, in place of ``steps``.
        batch_size: rows per step.
        learning_rate: its peak.
        random_state: a seed, a ``RandomState``, or None for a fresh one.

    Attributes:
        n_features_in_: D.
        feature_names_in_: names of the columns, where the rows had any.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = FlowDensity(steps=5, random_state=0).fit(x)
    >>> model.score_samples(x).shape, model.sample(3).shape
    ((200,), (3, 2))
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, (N, D), of which N is at least 10; y is not looked at."""
        self.density_ = Learned(self._learn_from(X), self._settings())
        return self

    def score_samples(self, X: Any) -> Array:
        """log p of each row, (N,), in nats, per product of the columns' units."""
        rows = self._rows(X)
        scores = self.density_.log_prob(rows)
        if np.isnan(scores).any():
            raise RheonError(f"the flow gave no number for row {int(np.isnan(scores).argmax()) + 1}.")
        return scores

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log p of the rows."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """New rows, (n_samples, D), in the columns' own units and order; fresh ones without a random state.

        The rows alone, as ``KernelDensity`` returns them: the components, which ``GaussianMixture`` returns
        beside them, would mean nothing here.
        """
        check_is_fitted(self)
        return self.density_.sample(whole("n_samples", n_samples, 1), generator_of(random_state))
