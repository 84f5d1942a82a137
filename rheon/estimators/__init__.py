"""Estimators for scikit-learn: :class:`FlowDensity`, :class:`FlowTransformer`."""

from rheon.estimators.density import FlowDensity
from rheon.estimators.transformer import FlowTransformer

__all__ = ["FlowDensity", "FlowTransformer"]
