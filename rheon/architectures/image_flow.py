"""The default of images: the chain rule over the phases of every scale, each factor one coupling."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import prod

from torch import nn

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import check_context_features, image_shape, positive
from rheon.bijections import Bijection, Chain, Composition, Permutation, Reshape, Squeeze
from rheon.conditioners import PixelMLP, PositionalConvNet
from rheon.distributions import StandardNormal
from rheon.elementwise import DiscretisedLogistics
from rheon.errors import RheonError
from rheon.flow import Flow

SIZES = {"small": (48, 1, 5), "base": (80, 2, 8), "large": (160, 4, 10)}
"""Name → width, blocks and components."""

_REACH = 0.25
"""Of the components around the mean of a pixel's neighbours, before anything is learned."""

_SMALLEST = 8
"""Images with a shorter side than this are not squeezed any more."""


@architecture
def image_flow(
    shape: Sequence[int],
    grey_levels: int = 256,
    size: str = "small",
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """A flow of images with whole grey levels, that changes every pixel once, given all coarser ones.

    At each scale the image is the four phases of its 2×2 blocks, x_00, x_11, x_01 and x_10, and

        p(x) = p(x_00) p(x_11 | x_00) p(x_01 | x_00, x_11) p(x_10 | x_00, x_11, x_01).

    x_00, the image at half of the resolution, goes on to the next scale; each other factor is one coupling
    whose network sees all that stands before the bar. So every pixel but the first few is told from
    neighbours on all its sides. What is left when no scale fits is split in halves in the same way, down to
    one scalar. The map is a discretised mixture of logistics, under which a level has its probability as
    density; it acts on x = k + u in [0, levels], without a logit. Networks see the levels k alone. So
    log p(k + u) is log P(k) exactly, whatever the noise u, and not a bound on it.

    Latents: Z_1 3C×H/2×W/2 (the phases of the first scale but x_00), Z_2 3C×H/4×W/4, …, and the rest.

    Reference: Reed, van den Oord, Kalchbrenner, Gómez Colmenarejo, Wang, Belov, de Freitas, *Parallel
    Multiscale Autoregressive Density Estimation*, 2017, arXiv:1703.03664 (the order of the pixels); Salimans,
    Karpathy, Chen, Kingma, *PixelCNN++*, 2017, arXiv:1701.05517 (the mixture); Dinh, Sohl-Dickstein, Bengio,
    *Density estimation using Real NVP*, 2017, arXiv:1605.08803 (coupling and factoring out).

    Args:
        shape: (C, H, W), any.
        grey_levels: number of grey levels.
        size: ``"small"``, for minutes on a CPU, ``"base"`` or ``"large"``: for 1×28×28 images 0.33, 1.2
            and 7.6 million parameters, for 3×32×32 ones 0.46, 1.7 and 10.9.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    Raises:
        RheonError: ``size`` is not known, or a number is out of range.

    >>> import torch
    >>> flow = image_flow((3, 32, 32))
    >>> [tuple(z.shape) for z in flow.latents(torch.zeros(2, 3, 32, 32))]
    [(2, 9, 16, 16), (2, 9, 8, 8), (2, 9, 4, 4), (2, 48, 1, 1)]
    """
    event = image_shape(shape)
    positive(grey_levels=grey_levels)
    check_context_features(context_features)
    if not isinstance(size, str) or size not in SIZES:
        raise RheonError(f"size must be {', '.join(map(repr, SIZES))}, got {size!r}.")
    width, blocks, components = SIZES[size]

    def chain(
        shape: tuple[int, int, int], groups: list[int], colours: int, coarse: Bijection | None = None
    ) -> Chain:
        flat = shape[1:] == (1, 1)
        map_ = DiscretisedLogistics(grey_levels, components, colours, 1.0 if flat else _REACH)
        nets: list[nn.Module] = []
        for before, channels in zip(accumulate(groups), groups[1:], strict=False):
            outputs = map_.num_params * channels
            if flat:
                nets.append(PixelMLP(before, outputs, (2 * width, 2 * width), grey_levels, context_features))
            else:
                places = range(3 * components * colours, (3 * components + 1) * colours)
                nets.append(
                    PositionalConvNet(
                        *(before, outputs, shape[1:], width, blocks, grey_levels, context_features),
                        colours=colours,
                        places=places,
                    )
                )
        return Chain(shape, groups, map_, nets, coarse)

    def scale(shape: tuple[int, int, int]) -> Bijection:
        c, h, w = shape
        if h % 2 or w % 2 or min(h, w) < _SMALLEST:
            d = prod(shape)
            places = Permutation(list(_coarse_first(range(d))))
            return Composition([Reshape(shape, (d, 1, 1)), places, chain((d, 1, 1), _halves(d), 1)])
        phases = (4 * c, h // 2, w // 2)
        return Composition([Squeeze("diagonal"), chain(phases, 4 * [c], c, scale((c, *phases[1:])))])

    bijection = scale(event)
    latents = bijection.latent_shapes(event)
    base = StandardNormal(latents[0] if len(latents) == 1 else prod(event))
    return Flow(bijection, base, event, context_features)


def _coarse_first(places: range) -> Iterator[int]:
    """Every second place, in this same order, then the others: the first half always is a coarser grid."""
    if len(places) > 1:
        yield from _coarse_first(places[::2])
        yield from places[1::2]
    else:
        yield from places


def _halves(n: int) -> list[int]:
    """0, 1, …, ⌊n/2⌋: groups of which each is as large as all before it together, or smaller by one."""
    return [*_halves((n + 1) // 2), n // 2] if n > 1 else [0, n]
