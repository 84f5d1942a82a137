"""The multi-scale RealNVP: checkerboards, squeeze, channels, factor out half; and again on the rest."""

from collections.abc import Callable, Sequence
from math import prod

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import alternate, check_context_features, image_shape, positive
from rheon.bijections import ActNorm, Bijection, Composition, Coupling, FactorOut, Squeeze
from rheon.conditioners import ConvNet
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine, Elementwise, RationalQuadraticSpline
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Channels, Checkerboard, Partition


@architecture
def multiscale_realnvp(
    shape: Sequence[int],
    levels: int = 3,
    width: int = 32,
    blocks: int = 2,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """The multi-scale RealNVP of images. With c channels and 32×32 pixels its three levels are

    ====== ======== ============== ========= ============ ========= ===============================
    level  input    checkerboard   squeeze   channel-wise factor    latent
    ====== ======== ============== ========= ============ ========= ===============================
    1      c×32×32  ×3             4c×16×16  ×3           out half  Z_1 2c×16×16: fine detail
    2      2c×16×16 ×3             8c×8×8    ×3           out half  Z_2 4c×8×8: coarser
    3      4c×8×8   ×3             16c×4×4   ×3           –         Z_3 16c×4×4: the highest level
    ====== ======== ============== ========= ============ ========= ===============================

    Every coupling is affine with a residual convolutional conditioner and follows an ActNorm.
    Checkerboards are packed: their conditioners see (2C, H/2, W/2).

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.6; its own image models differ, see :func:`realnvp_cifar10`.

    Args:
        shape: (C, H, W), H and W divisible by 2^levels.
        levels: number of scales.
        width: channels of the conditioners.
        blocks: residual blocks of each conditioner.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> import torch
    >>> flow = multiscale_realnvp((3, 32, 32), levels=3, width=8, blocks=1)
    >>> [tuple(z.shape) for z in flow.latents(torch.zeros(2, 3, 32, 32))]
    [(2, 6, 16, 16), (2, 12, 8, 8), (2, 48, 4, 4)]
    """
    return _multiscale(shape, levels, width, blocks, context_features, Affine)


@architecture
def multiscale_spline(
    shape: Sequence[int],
    levels: int = 3,
    width: int = 32,
    blocks: int = 2,
    bins: int = 8,
    bound: float = 5.0,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """:func:`multiscale_realnvp` with rational-quadratic splines in place of the affine maps.

    Images of few grey levels, or with a background of one value, have densities of many narrow peaks: a
    spline places them with one coupling, where affine maps need a deep stack.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        shape: (C, H, W), H and W divisible by 2^levels.
        levels: number of scales.
        width: channels of the conditioners.
        blocks: residual blocks of each conditioner.
        bins: K, bins of each spline.
        bound: the splines act on [-bound, bound], in units of an ActNorm's output.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> import torch
    >>> multiscale_spline((1, 8, 8), levels=2, width=8, blocks=1).log_prob(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2])
    """
    return _multiscale(
        shape, levels, width, blocks, context_features, lambda: RationalQuadraticSpline(bins, bound)
    )


def _multiscale(
    shape: Sequence[int],
    levels: int,
    width: int,
    blocks: int,
    context_features: int,
    elementwise: Callable[[], Elementwise],
) -> Flow:
    event = image_shape(shape)
    positive(levels=levels, width=width, blocks=blocks)
    check_context_features(context_features)
    check_levels(event[1], event[2], levels)

    def level(shape: tuple[int, int, int], remaining: int) -> Bijection:
        c, h, w = shape
        squeezed = (4 * c, h // 2, w // 2)
        layers = couplings(Checkerboard(), 3, shape, width, blocks, context_features, elementwise)
        layers.append(Squeeze())
        layers += couplings(Channels(), 3, squeezed, width, blocks, context_features, elementwise)
        if remaining > 1:
            inner = level((2 * c, h // 2, w // 2), remaining - 1)
            layers.append(FactorOut(Channels(), inner, squeezed))
        return Composition(layers)

    bijection = level(event, levels)
    latents = bijection.latent_shapes(event)
    base = StandardNormal(latents[0] if len(latents) == 1 else prod(event))
    return Flow(bijection, base, event, context_features)


def couplings(
    partition: Partition,
    number: int,
    shape: tuple[int, int, int],
    width: int,
    blocks: int,
    context_features: int = 0,
    elementwise: Callable[[], Elementwise] = Affine,
    norm: Callable[[int], Bijection] = ActNorm,
) -> list[Bijection]:
    """``number`` couplings of the partition and its complement in turn, each after a normalisation."""
    shape_a, _ = partition.shapes(shape)
    layers: list[Bijection] = []
    for part in alternate(partition, number, prod(shape_a)):
        kept, changed = part.shapes(shape)
        map_ = elementwise()
        net = ConvNet(kept[0], map_.num_params * changed[0], width, blocks, context_features)
        layers += [norm(shape[0]), Coupling(part, map_, net)]
    return layers


def check_levels(height: int, width: int, levels: int) -> None:
    """Refuses a size that 2^levels does not divide, and says what would fit."""
    possible = max((n for n in range(1, 29) if height % 2**n == 0 and width % 2**n == 0), default=0)
    if levels <= possible:
        return
    fits = f"{height}×{width} allows levels up to {possible}" if possible else f"{height}×{width} allows none"
    if levels > 12:
        raise RheonError(f"levels={levels} is more than any image has: {fits}.")
    step = 2**levels
    advice = f"pad to {-(-height // step) * step}×{-(-width // step) * step} pixels"
    if min(height, width) >= step:
        advice += f" or crop to {height // step * step}×{width // step * step}"
    raise RheonError(f"levels={levels} needs height and width divisible by {step}: {fits}; {advice}.")
