"""f̂(x_B | ψ): monotone maps of a scalar, with P parameters for each scalar."""

from rheon.elementwise.affine import Affine
from rheon.elementwise.base import Elementwise
from rheon.elementwise.discretised import DiscretisedLogistics
from rheon.elementwise.mixture import MixtureOfLogistics
from rheon.elementwise.shift import Shift
from rheon.elementwise.spline import RationalQuadraticSpline

__all__ = [
    "Affine",
    "DiscretisedLogistics",
    "Elementwise",
    "MixtureOfLogistics",
    "RationalQuadraticSpline",
    "Shift",
]
