"""Every figure of a report, as a function: of images, of rows, of a density in the plane, of training."""

from rheon.plots.curve import training_curve
from rheon.plots.density_picture import density_picture, window_of
from rheon.plots.of_images import bits, draws, interpolation, nearest, reconstruction, scales, temperatures
from rheon.plots.png import png
from rheon.plots.rows import calibration, correlation_difference, marginals, pairs
from rheon.plots.sheet import heat, labelled_rows, sheet, side_by_side

__all__ = [
    "bits",
    "calibration",
    "correlation_difference",
    "density_picture",
    "draws",
    "heat",
    "interpolation",
    "labelled_rows",
    "marginals",
    "nearest",
    "pairs",
    "png",
    "reconstruction",
    "scales",
    "sheet",
    "side_by_side",
    "temperatures",
    "training_curve",
    "window_of",
]
