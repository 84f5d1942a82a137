"""One function for each paper's flow: arguments in, an untrained :class:`~rheon.Flow` out."""

from rheon.architectures.glow import glow
from rheon.architectures.image_flow import image_flow
from rheon.architectures.multiscale import multiscale_realnvp, multiscale_spline
from rheon.architectures.nice import nice
from rheon.architectures.paper import realnvp_cifar10, realnvp_imagenet32
from rheon.architectures.realnvp import realnvp
from rheon.architectures.recipe import ARCHITECTURES, build
from rheon.architectures.spline import spline_coupling
from rheon.architectures.tabular import tabular

__all__ = [
    "ARCHITECTURES",
    "build",
    "glow",
    "image_flow",
    "multiscale_realnvp",
    "multiscale_spline",
    "nice",
    "realnvp",
    "realnvp_cifar10",
    "realnvp_imagenet32",
    "spline_coupling",
    "tabular",
]
