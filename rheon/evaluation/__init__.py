"""Is a density right, and is it good: the battery of checks, the integral, baselines for the likelihood."""

from rheon.evaluation.check import check_flow
from rheon.evaluation.integrate import integral
from rheon.evaluation.likelihood import (
    gaussian_log_prob,
    histogram_bits_per_dim,
    mixture_bits_per_dim,
    mixture_log_prob,
)
from rheon.evaluation.report import Check, Report
from rheon.evaluation.two_samples import correlations, ks_by_column, two_sample_auc

__all__ = [
    "Check",
    "Report",
    "check_flow",
    "correlations",
    "gaussian_log_prob",
    "histogram_bits_per_dim",
    "integral",
    "ks_by_column",
    "mixture_bits_per_dim",
    "mixture_log_prob",
    "two_sample_auc",
]
