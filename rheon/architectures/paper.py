"""The RealNVP paper's own image models, beside the three-level one.

As in the paper and its program: 3 checkerboard couplings, squeeze, 3 channel-wise couplings, un-squeeze and
squeeze again in diagonal order, so that what is factored out is one half of a checkerboard with all its
channels; the last scale is 4 checkerboard couplings and nothing else; the width doubles with each squeeze.

What differs here: checkerboards are packed, not masked; conditioners are residual networks without weight
norm, batch norm and skip sums; y = exp(s) x + t, as in the paper's equation (its program has exp(s) (x + t)),
with the bound of :class:`~rheon.elementwise.Affine` in place of a learned one; ActNorm before each coupling,
or by ``norm="batch"`` a batch norm there (the paper's stands behind the coupling, on the changed half); no L2
penalty.
"""

from collections.abc import Callable
from math import prod

from rheon.architectures.multiscale import couplings
from rheon.architectures.recipe import architecture
from rheon.architectures.stack import check_context_features, positive
from rheon.bijections import ActNorm, BatchNorm, Bijection, Composition, FactorOut, Permutation, Squeeze
from rheon.distributions import StandardNormal
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Channels, Checkerboard


@architecture
def realnvp_cifar10(
    width: int = 64, blocks: int = 8, norm: str = "act", context_features: int = 0, seed: int = 0
) -> Flow:
    """The paper's CIFAR-10 model: 3×32×32, two scales, 10 couplings, 8 residual blocks each.

    Reported there: 3.49 bits/dim.
    What differs from the paper is said at the top of this module.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803.

    Args:
        width: channels of the conditioners at the first scale.
        blocks: residual blocks of each conditioner.
        norm: ``"act"`` or ``"batch"``.
        context_features: M, for a conditional density.
        seed: decides the initial weights.
    """
    return _paper((3, 32, 32), 2, width, blocks, norm, context_features)


@architecture
def realnvp_imagenet32(
    width: int = 32, blocks: int = 4, norm: str = "act", context_features: int = 0, seed: int = 0
) -> Flow:
    """The paper's ImageNet-32 model: 3×32×32, four scales down to 4×4, 4 residual blocks each.

    Reported there: 4.28 bits/dim.
    What differs from the paper is said at the top of this module.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803.

    Args:
        width: channels of the conditioners at the first scale.
        blocks: residual blocks of each conditioner.
        norm: ``"act"`` or ``"batch"``.
        context_features: M, for a conditional density.
        seed: decides the initial weights.
    """
    return _paper((3, 32, 32), 4, width, blocks, norm, context_features)


def _paper(
    shape: tuple[int, int, int], scales: int, width: int, blocks: int, norm: str, context_features: int
) -> Flow:
    positive(width=width, blocks=blocks)
    check_context_features(context_features)
    norms: dict[str, Callable[[int], Bijection]] = {"act": ActNorm, "batch": BatchNorm}
    if not isinstance(norm, str) or norm not in norms:
        raise RheonError(f"norm must be 'act' or 'batch', got {norm!r}.")

    def scale(shape: tuple[int, int, int], remaining: int, width: int) -> Bijection:
        c, h, w = shape
        if remaining == 1:
            return Composition(
                couplings(Checkerboard(), 4, shape, width, blocks, context_features, norm=norms[norm])
            )
        squeezed = (4 * c, h // 2, w // 2)
        layers = couplings(Checkerboard(), 3, shape, width, blocks, context_features, norm=norms[norm])
        layers += [
            Squeeze(),
            *couplings(Channels(), 3, squeezed, 2 * width, blocks, context_features, norm=norms[norm]),
        ]
        # Un-squeeze and squeeze again in diagonal order, in one: channel 4c + k becomes phase k, channel c.
        layers.append(Permutation([4 * i + k for k in Squeeze.diagonal for i in range(c)]))
        inner = scale((2 * c, h // 2, w // 2), remaining - 1, 2 * width)
        layers.append(FactorOut(Channels(), inner, squeezed))
        return Composition(layers)

    return Flow(scale(shape, scales, width), StandardNormal(prod(shape)), shape, context_features)
