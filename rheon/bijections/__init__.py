"""f: x → z, invertible, each direction with its log-determinant."""

from rheon.bijections.actnorm import ActNorm
from rheon.bijections.base import Bijection
from rheon.bijections.batchnorm import BatchNorm
from rheon.bijections.chain import Chain
from rheon.bijections.composition import Composition, Inverse
from rheon.bijections.coupling import Coupling
from rheon.bijections.factor_out import FactorOut
from rheon.bijections.fixed import Logit, Standardise
from rheon.bijections.linear import InvertibleConv1x1, LULinear, Whitening
from rheon.bijections.masked import MaskedCoupling
from rheon.bijections.quantile import QuantileMap
from rheon.bijections.reshape import Flatten, Permutation, Reshape, Squeeze
from rheon.bijections.scaling import Scaling

__all__ = [
    "ActNorm",
    "BatchNorm",
    "Bijection",
    "Chain",
    "Composition",
    "Coupling",
    "FactorOut",
    "Flatten",
    "Inverse",
    "InvertibleConv1x1",
    "LULinear",
    "Logit",
    "MaskedCoupling",
    "Permutation",
    "QuantileMap",
    "Reshape",
    "Scaling",
    "Squeeze",
    "Standardise",
    "Whitening",
]
