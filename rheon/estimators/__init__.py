"""Estimators for scikit-learn, over the engine of tables, and one detector for PyOD."""

from rheon.estimators.density import FlowDensity
from rheon.estimators.outliers import FlowOutlierDetector, PyODFlowDetector
from rheon.estimators.transformer import FlowTransformer

__all__ = ["FlowDensity", "FlowOutlierDetector", "FlowTransformer", "PyODFlowDetector"]
