"""Glow: at each scale squeeze, then steps of ActNorm, invertible 1×1 convolution and affine coupling."""

from collections.abc import Sequence
from math import prod

from rheon.architectures.multiscale import check_levels
from rheon.architectures.recipe import architecture
from rheon.architectures.stack import check_context_features, image_shape, positive
from rheon.bijections import (
    ActNorm,
    Bijection,
    Composition,
    Coupling,
    FactorOut,
    InvertibleConv1x1,
    Squeeze,
)
from rheon.conditioners import ShallowConvNet
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.flow import Flow
from rheon.partitions import Channels, Partition


@architecture
def glow(
    shape: Sequence[int],
    levels: int = 3,
    steps: int = 8,
    width: int = 64,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """Glow: ``levels`` times squeeze and ``steps`` steps; half of the channels then leave, given the others.

    A step is an ActNorm, a learned invertible 1×1 convolution (W = P L U) and an affine coupling of the
    halves of the channels, that change places from step to step. What leaves a level, x_B, leaves through one
    more coupling on x_A, the paper's learned prior: so its latent is standard normal.

    As in the paper, but for the conditioner (without norms in it), a smooth bound in place of a sigmoid, and
    halves that change places.

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039.

    Args:
        shape: (C, H, W), H and W divisible by 2^levels.
        levels: L, number of scales.
        steps: K, of each scale.
        width: channels of the conditioners (512 in the paper).
        context_features: M, for a conditional density.
        seed: decides the initial weights and the permutations P.

    Raises:
        RheonError: a size that ``levels`` does not divide, or a number that is out of range.

    >>> import torch
    >>> flow = glow((3, 32, 32), steps=2, width=8)
    >>> [tuple(z.shape) for z in flow.latents(torch.zeros(2, 3, 32, 32))]
    [(2, 6, 16, 16), (2, 12, 8, 8), (2, 48, 4, 4)]
    """
    event = image_shape(shape)
    positive(levels=levels, steps=steps, width=width)
    check_context_features(context_features)
    check_levels(event[1], event[2], levels)

    def coupling(partition: Partition, shape: tuple[int, int, int]) -> Coupling:
        kept, changed = partition.shapes(shape)
        return Coupling(partition, Affine(), ShallowConvNet(kept[0], 2 * changed[0], width, context_features))

    def level(shape: tuple[int, int, int], remaining: int) -> Bijection:
        c, h, w = 4 * shape[0], shape[1] // 2, shape[2] // 2
        layers: list[Bijection] = [Squeeze()]
        for step in range(steps):
            # The last step changes x_A, since x_B, which leaves, is changed once more.
            part = Channels() if (steps - step) % 2 == 0 else Channels().swapped()
            mixing = InvertibleConv1x1(c, seed=(seed + remaining * steps + step) % 2**32)
            layers += [ActNorm(c), mixing, coupling(part, (c, h, w))]
        if remaining > 1:
            inner = level((c // 2, h, w), remaining - 1)
            layers += [coupling(Channels(), (c, h, w)), FactorOut(Channels(), inner, (c, h, w))]
        return Composition(layers)

    bijection = level(event, levels)
    latents = bijection.latent_shapes(event)
    base = StandardNormal(latents[0] if len(latents) == 1 else prod(event))
    return Flow(bijection, base, event, context_features)
