"""Pictures of data and of densities, as plain functions: a contact sheet, a density in the plane, a curve."""

from rheon.reports.curve import training_curve
from rheon.reports.density_picture import density_picture, window_of
from rheon.reports.png import png
from rheon.reports.rows import calibration, correlation_difference, marginals, pairs
from rheon.reports.sheet import heat, labelled_rows, sheet, side_by_side
from rheon.reports.text import plain

__all__ = [
    "calibration",
    "correlation_difference",
    "density_picture",
    "heat",
    "labelled_rows",
    "marginals",
    "pairs",
    "plain",
    "png",
    "sheet",
    "side_by_side",
    "training_curve",
    "window_of",
]
