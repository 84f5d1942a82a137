"""Architectures of images with one part exchanged or left out: what each part brings is the difference."""

from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from torch import nn

from rheon import Flow, ImageDensity
from rheon.architectures import glow, image_flow
from rheon.architectures.image_flow import SIZES
from rheon.bijections import (
    ActNorm,
    Bijection,
    Chain,
    Composition,
    Coupling,
    FactorOut,
    InvertibleConv1x1,
    Permutation,
    Reshape,
    Squeeze,
)
from rheon.conditioners import PixelMLP, PositionalConvNet
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine, MixtureOfLogistics
from rheon.images.presets import scales

Make = Callable[[], tuple[Any, dict[str, Any]]]
Edit = Callable[[Flow], None]

SMALL = {"batch_size": 16}
"""Of the settings: on one thread more and smaller steps are better, for every architecture here."""


def rows() -> dict[str, Make]:
    """Name → a new model and what of its settings is changed."""

    def of_glow(edit: Edit | None = None, noise: str = "uniform", **changes: Any) -> Make:
        def build(shape: tuple[int, int, int]) -> Flow:
            flow = glow(shape, levels=scales(shape))
            if edit is not None:
                edit(flow)
            return flow

        return lambda: (ImageDensity(build, dequantise=noise), {**SMALL, **changes})

    return {
        "image_flow": lambda: (ImageDensity(), {}),
        "image_flow, one component in place of five": lambda: (ImageDensity(_one_component), _as_default()),
        "image_flow, no averaged weights": lambda: (ImageDensity(), {"ema_decay": 0.0}),
        "glow": of_glow(),
        "glow, no learned prior": of_glow(_no_prior),
        "glow, fixed permutations in place of 1×1": of_glow(_no_mixing),
        "glow, mixtures of logistics in place of affine maps": of_glow(_mixtures),
        "glow, no averaged weights": of_glow(ema_decay=0.0),
        "the phases of image_flow, affine maps behind a logit": lambda: (
            ImageDensity(affine_phases),
            _as_default(),
        ),
        "glow, learned noise": of_glow(noise="learned"),
        "glow, learned noise and mixtures": of_glow(_mixtures, "learned"),
    }


def _as_default() -> dict[str, Any]:
    settings = ImageDensity().settings()
    return {name: getattr(settings, name) for name in ("batch_size", "learning_rate", "betas")}


def _one_component(shape: tuple[int, int, int]) -> Flow:
    width, blocks, _ = SIZES["small"]
    SIZES["one component"] = (width, blocks, 1)
    return image_flow(shape, size="one component")


def _compositions(flow: Flow) -> list[Composition]:
    return [module for module in flow.modules() if isinstance(module, Composition)]


def _no_prior(flow: Flow) -> None:
    """What leaves a level leaves as it is."""
    for whole in _compositions(flow):
        if isinstance(whole.bijections[-1], FactorOut):
            del whole.bijections[-2]


def _no_mixing(flow: Flow) -> None:
    for whole in _compositions(flow):
        for place, layer in enumerate(whole.bijections):
            if isinstance(layer, InvertibleConv1x1):
                order = np.random.default_rng(place).permutation(layer.linear.log_diagonal.numel())
                whole.bijections[place] = Permutation(order.tolist())


def _mixtures(flow: Flow) -> None:
    map_ = MixtureOfLogistics(4)
    for coupling in [module for module in flow.modules() if isinstance(module, Coupling)]:
        net = coupling.conditioner
        name, head = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d)][-1]
        outputs = head.out_channels // Affine.num_params * map_.num_params
        wider = nn.Conv2d(head.in_channels, outputs, head.kernel_size, padding=head.padding)
        nn.init.zeros_(wider.weight)
        nn.init.zeros_(wider.bias)
        owner, _, last = name.rpartition(".")
        setattr(net.get_submodule(owner), last, wider)
        coupling.elementwise = map_


def affine_phases(shape: tuple[int, int, int]) -> Flow:
    """``image_flow`` with y = exp(s) x + t of real numbers in place of its mixtures over levels."""
    width, blocks, _ = SIZES["small"]

    def chain(event: tuple[int, int, int], groups: list[int], colours: int, inner: Bijection | None) -> Chain:
        nets: list[nn.Module] = []
        for before, channels in zip(accumulate(groups), groups[1:], strict=False):
            if event[1:] == (1, 1):
                nets.append(PixelMLP(before, 2 * channels, (2 * width, 2 * width)))
            else:
                nets.append(
                    PositionalConvNet(before, 2 * channels, event[1:], width, blocks, colours=colours)
                )
        return Chain(event, groups, Affine(), nets, inner)

    def scale(shape: tuple[int, int, int]) -> Bijection:
        c, h, w = shape
        if h % 2 or w % 2 or min(h, w) < 8:
            d = prod(shape)
            return Composition([Reshape(shape, (d, 1, 1)), chain((d, 1, 1), _halves(d), 1, None)])
        phases = (4 * c, h // 2, w // 2)
        inner = chain(phases, 4 * [c], c, scale((c, *phases[1:])))
        return Composition([Squeeze("diagonal"), ActNorm(4 * c), inner])

    bijection = scale(shape)
    latents = bijection.latent_shapes(shape)
    return Flow(bijection, StandardNormal(latents[0] if len(latents) == 1 else prod(shape)), shape)


def _halves(n: int) -> list[int]:
    return [*_halves((n + 1) // 2), n // 2] if n > 1 else [0, n]
