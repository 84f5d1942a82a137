"""FlowTransformer: columns to independent normal ones, and back."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from rheon.architectures import tabular
from rheon.errors import RheonError
from rheon.estimators.learned import Array, FlowEstimator, Learned
from rheon.flow import Flow
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.sizing import network
from rheon.tables.tiles import in_tiles


class FlowTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FlowEstimator):
    """z = f(x), by one flow: features that are normal and independent, as far as f has learned.

    ``QuantileTransformer`` makes each column normal; here they are independent too, and z is no column's own:
    the features are named flowtransformer0, flowtransformer1, … f is smooth, strictly invertible, and goes on
    beyond the rows that it was fitted to.

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

    >>> x = np.random.default_rng(0).lognormal(size=(200, 2))
    >>> map = FlowTransformer(steps=5, random_state=0).fit(x)
    >>> bool(np.allclose(map.inverse_transform(map.transform(x)), x, rtol=1e-3))
    True
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, (N, D), of which N is at least 10; y is not looked at."""
        rows, settings = self._learn_from(X), self._settings()

        def flow(d: int) -> Flow:
            return tabular(d, **network(len(rows), d), seed=settings.seed)

        self.density_ = Learned(rows, settings, flow)
        self._n_features_out = rows.shape[1]
        return self

    def transform(self, X: Any) -> Array:
        """z of each row, (N, D); columns that did not vary come last, as (x - value) / 1e-3."""
        rows, density = self._rows(X), self.density_
        flow, preprocessing = self._maps()
        t, _ = preprocessing.forward(torch.from_numpy(rows[:, density.varies]))
        z = in_tiles(lambda part: flow.latents(part)[0], t.float())
        return np.column_stack((z.double().numpy(), density.unvarying(rows)))

    def inverse_transform(self, X: Any) -> Array:
        """The rows, in their own units, that ``transform`` makes z = X from."""
        check_is_fitted(self)
        z, density = check_array(X, dtype=np.float64), self.density_
        if z.shape[1] != self._n_features_out:
            raise RheonError(f"X has {z.shape[1]} features; z has {self._n_features_out}.")
        flow, preprocessing = self._maps()
        varying = int(density.varies.sum())
        t = in_tiles(lambda part: flow.from_latents([part]), torch.from_numpy(z[:, :varying]).float())
        rows = np.empty(z.shape)
        rows[:, density.varies] = preprocessing.inverse(t.double()).numpy()
        rows[:, ~density.varies] = density.restored(z[:, varying:])
        return rows

    def _maps(self) -> tuple[Flow, Preprocessing]:
        continuous = self.density_.continuous
        assert continuous.preprocessing is not None
        return continuous.fitted[0], continuous.preprocessing
