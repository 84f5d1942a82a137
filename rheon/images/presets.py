"""The architectures of images by name, with the arguments that suit images of a given shape."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from rheon.architectures import ARCHITECTURES
from rheon.bijections import Composition, Logit
from rheon.errors import DataError, RheonError, hint
from rheon.flow import Flow
from rheon.images.dequantise import Dequantiser
from rheon.images.noise import UNIFORM, Learned, OfLevels, Uniform

Shape = tuple[int, int, int]
"""(C, H, W)."""

NOISES = ("uniform", "learned")
"""Kinds of dequantisation."""


def check_named(name: str) -> None:
    """Refuses a name that stands for no architecture of images."""
    if not is_known(full_name(name)):
        known = hint(name, (*_SHORT, *_ARGUMENTS))
        raise RheonError(f"architecture {name!r} is not known for images; {known}")


def is_known(name: str) -> bool:
    """Whether ``rheon.architectures`` has images for this one of its names."""
    return name in _ARGUMENTS


def full_name(name: str) -> str:
    """The name in ``rheon.architectures`` of what is meant where the data are images.

    >>> full_name("realnvp"), full_name("image_flow_base")
    ('multiscale_realnvp', 'image_flow')
    """
    return _SHORT.get(name, (name,))[0]


def untrained(name: str, shape: Shape, levels: int, context_features: int, seed: int) -> Flow:
    """A flow of images of this shape and number of grey levels, given a context of so many features."""
    full, *size = _SHORT.get(name, (name,))
    chosen = _ARGUMENTS[full](shape, levels) | ({"size": size[0]} if size else {})
    return ARCHITECTURES[full](**chosen, context_features=context_features, seed=seed)


def of_levels(flow: Flow) -> bool:
    """Whether it is one of x in [0, levels] itself, that gives whole levels their probabilities."""
    return flow.recipe is not None and flow.recipe.name in _OF_LEVELS


def dequantisation(kind: str, flow: Flow, levels: int, seed: int) -> Uniform:
    """The noise by which a flow learns images of so many grey levels: ``"uniform"`` or ``"learned"``.

    Raises:
        RheonError: it is to be learned, and the flow needs none, or the images have odd sides.
    """
    if of_levels(flow):
        check_dequantise(kind, _OF_LEVELS[0])
        return OfLevels()
    if kind != "learned":
        return UNIFORM
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators too
        return Learned(Dequantiser(flow.event_shape, levels))


def check_dequantise(kind: str, architecture: object) -> None:
    """Refuses noise that is unknown, or learned where none is needed."""
    if kind not in NOISES:
        raise RheonError(f"dequantise must be {' or '.join(map(repr, NOISES))}, got {kind!r}.")
    if kind == "learned" and isinstance(architecture, str) and full_name(architecture) in _OF_LEVELS:
        raise RheonError(
            f"{architecture} gives whole levels their exact probabilities and needs no noise: leave "
            "dequantise='learned' (--dequantise learned) out, or take glow, realnvp or spline."
        )


def behind_logit(flow: Flow, logit: Logit) -> Flow:
    """The flow behind the logit, so that one :class:`Flow` holds the density of x and all its Jacobians."""
    whole = Flow(Composition([logit, flow.bijection]), flow.base, flow.event_shape, flow.context_features)
    whole.recipe = flow.recipe
    return whole


def scales(shape: Sequence[int]) -> int:
    """Levels for images of this shape: as many as leave 2×2 pixels, at most 3."""
    _, height, width = shape
    if height % 2 or width % 2:
        raise DataError(
            f"images of {height}×{width} pixels: multi-scale flows halve both sides, so both must be even; "
            f"pad to {height + height % 2}×{width + width % 2}, or take 'nice', which suits any size."
        )
    fits = [
        n
        for n in (1, 2, 3)
        if height % 2**n == 0 and width % 2**n == 0 and min(height, width) >= 2 ** (n + 1)
    ]
    return max(fits, default=1)


_SHORT: dict[str, tuple[str, ...]] = {
    "realnvp": ("multiscale_realnvp",),
    "spline": ("multiscale_spline",),
    "image_flow_base": ("image_flow", "base"),
    "image_flow_large": ("image_flow", "large"),
}
"""Name → the full one, and the size where there are several."""

_ARGUMENTS: dict[str, Callable[[Shape, int], dict[str, Any]]] = {
    "image_flow": lambda shape, levels: {"shape": shape, "grey_levels": levels},
    "glow": lambda shape, levels: {"shape": shape, "levels": scales(shape)},
    "multiscale_realnvp": lambda shape, levels: {"shape": shape, "levels": scales(shape)},
    "multiscale_spline": lambda shape, levels: {"shape": shape, "levels": scales(shape)},
    "nice": lambda shape, levels: {"features": shape},
    "realnvp_cifar10": lambda shape, levels: {},
    "realnvp_imagenet32": lambda shape, levels: {},
}

_OF_LEVELS = ("image_flow",)
"""Architectures that take x in [0, levels] itself."""
