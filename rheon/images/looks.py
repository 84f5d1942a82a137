"""What a model of images holds, as arrays to look at.

Every function takes an :class:`~rheon.images.ImageDensity` that has learned something, and gives whole grey
levels (…, C, H, W), ready for :func:`rheon.plots.sheet`; ``bits_map`` gives bits. The flow of a
class-conditional one is told the most probable class of each image.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rheon.bijections import Logit
from rheon.elementwise import Elementwise
from rheon.errors import DataError, RheonError, whole
from rheon.flow import Flow
from rheon.images.density import ImageDensity
from rheon.images.presets import of_levels

TEMPERATURES = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)


def at_temperatures(
    model: ImageDensity, n: int = 8, temperatures: Sequence[float] = TEMPERATURES, seed: int = 0
) -> NDArray[np.uint8]:
    """x = f⁻¹(T z) for the same n draws of z at each temperature T: (len(temperatures), n, C, H, W).

    At T = 0 there is one image, that of z = 0; towards 1 draws become as varied as the data. Of a
    class-conditional model they are of its classes in turn.

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039, section 6.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> at_temperatures(model, n=3, temperatures=(0.5, 1.0)).shape
    (2, 3, 1, 8, 8)
    """
    flow = model.fitted
    z = flow.base.sample(n, generator=torch.Generator().manual_seed(seed))
    context = None if model.classes is None else model.classes.context(torch.arange(n) % len(model.classes))
    return np.stack([_images(model, T * z, context) for T in temperatures])


def interpolation(model: ImageDensity, corners: Any, steps: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    """The manifold of four images: (steps, steps, C, H, W), the images in its corners.

        z = cos φ (cos φ' z_1 + sin φ' z_2) + sin φ (cos φ' z_3 + sin φ' z_4),    φ, φ' from 0 to π/2,

    which keeps |z| where a typical latent has it, where straight lines would cut through the middle. What a
    class-conditional flow is told goes from class to class by the squares of the weights, which sum to 1.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 4.2 (whose grid also runs on beyond the images, to 2π).

    Args:
        model: of the images.
        corners: four images: top left, top right, bottom left, bottom right.
        steps: images along a side.
        seed: of the dequantisation noise.

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> interpolation(model, np.zeros((4, 8, 8), np.uint8), steps=5).shape
    (5, 5, 1, 8, 8)
    """
    z, context = _latents(model, corners, seed)
    if len(z) != 4:
        raise DataError(f"interpolation is between 4 images, got {len(z)}.")
    angles = torch.linspace(0, math.pi / 2, whole("steps", steps, 2), dtype=z.dtype)
    cos, sin = angles.cos(), angles.sin()
    cos[-1] = 0  # of a right angle, which no floating point number is
    weights = torch.stack([torch.outer(u, v) for u in (cos, sin) for v in (cos, sin)], -1)
    mixed = (weights.flatten(0, 1) @ z.flatten(1)).unflatten(1, z.shape[1:])
    found = _images(model, mixed, None if context is None else weights.flatten(0, 1).square() @ context)
    return found.reshape(steps, steps, *found.shape[1:])


def scales(model: ImageDensity, images: Any, seed: int = 0) -> NDArray[np.uint8]:
    """What each scale holds: (L + 1, N, C, H, W) for L latents Z_1 (finest), …, Z_L.

    Row 0 are the images themselves; row j keeps Z_{j+1}, …, Z_L and draws Z_1, …, Z_j anew: what stays the
    same down to row j is what the latents above j hold. Row L is drawn altogether.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    appendix on the latents' semantics ("conceptual compression").

    >>> from rheon.images import ImageDensity
    >>> model = ImageDensity("realnvp").fit("digits", steps=2)
    >>> scales(model, np.zeros((3, 8, 8), np.uint8)).shape
    (3, 3, 1, 8, 8)
    """
    flow = model.fitted
    z, context = _latents(model, images, seed)
    kept = flow.split_latents(z)
    drawn = flow.split_latents(flow.base.sample(len(z), generator=torch.Generator().manual_seed(seed)))
    return np.stack(
        [_images(model, flow.join_latents([*drawn[:j], *kept[j:]]), context) for j in range(len(kept) + 1)]
    )


def reconstruction(model: ImageDensity, images: Any, seed: int = 0) -> NDArray[np.uint8]:
    """f⁻¹(f(x)) of each image, (N, C, H, W): the images themselves, or the flow does not invert.

    >>> from rheon.images import ImageDensity
    >>> model, x = ImageDensity("realnvp").fit("digits", steps=2), np.full((1, 8, 8), 7, np.uint8)
    >>> bool((reconstruction(model, x)[0] == 7).all())
    True
    """
    return _images(model, *_latents(model, images, seed))


def nearest(
    images: NDArray[np.uint8], among: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The nearest of ``among`` for each image: its index (N,), and its distance (N,).

    The distance is Euclidean, in grey levels per pixel value (root mean square). Of drawn images and those
    of training it shows whether anything was copied: copies would be as near as 0.

    Args:
        images: (N, C, H, W).
        among: (M, C, H, W), as long as M · C · H · W fits in memory as float32.

    >>> index, distance = nearest(np.full((1, 1, 2, 2), 3, np.uint8), np.arange(3 * 4).reshape(3, 1, 2, 2))
    >>> index.tolist(), distance.round(2).tolist()
    ([0], [1.87])
    """
    if images.shape[1:] != among.shape[1:]:
        raise DataError(f"nearest: images {images.shape[1:]} and those among {among.shape[1:]} differ.")
    rows = torch.from_numpy(np.asarray(images, np.float32)).flatten(1)
    index, best = torch.zeros(len(rows), dtype=torch.long), torch.full((len(rows),), math.inf)
    for start in range(0, len(among), 4096):
        part = torch.from_numpy(np.asarray(among[start : start + 4096], np.float32)).flatten(1)
        # By differences: |a|² - 2ab + |b|² would lose what is left between near images.
        found, where = torch.cdist(rows, part, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        nearer = found < best
        index[nearer], best[nearer] = where[nearer] + start, found[nearer]
    return index.numpy(), best.double().numpy() / math.sqrt(rows.shape[1])


def bits_map(model: ImageDensity, images: Any, seed: int = 0) -> NDArray[np.float64]:
    """Where the bits of each image are: (N, H, W), bits per pixel; their sum is -log2 p(x).

    Of ``"image_flow"``, which tells every value once given coarser ones, each value has -log2 of its own
    probability. Of other flows every part of log p = log p_Z(f(x)) + Σ log|det| that has a place (a latent,
    the log-slope of a coupling's map or of the logit) is shared out evenly among the pixels of its place;
    parts without one (ActNorm, 1×1 convolutions: the same for all pixels) among all. A map of a coarse scale
    so is as coarse as the scale. Where noise is learned, log q is taken off in the same way.

    >>> from rheon.images import ImageDensity
    >>> model, x = ImageDensity("realnvp").fit("digits", steps=2), np.zeros((1, 8, 8), np.uint8)
    >>> bits = bits_map(model, x)
    >>> bits.shape, bool(np.isclose(bits.mean(), model.bits_per_dim(x)[0]))
    ((1, 8, 8), True)
    """
    flow, (_, height, width) = model.fitted, model.shape
    if of_levels(flow):
        return np.concatenate(
            [_bits_of_values(flow, x, context) for x, context in model.dequantised(images, seed)]
        )
    if any(len(shape) != 3 for shape in flow.latent_shapes):
        raise RheonError("bits_map needs a flow of images: in this one the latents have no places.")
    maps = []
    for rows, context in model.objective_rows(images, seed):
        placed = torch.zeros(len(rows), height, width, dtype=torch.float64)

        def add(nats: Tensor, placed: Tensor = placed) -> None:
            share = nats.double().sum(1)
            up, across = height // share.shape[1], width // share.shape[2]
            placed += (share / (up * across)).repeat_interleave(up, 1).repeat_interleave(across, 2)

        scalar = type(flow.base)((1,)).to(rows)
        with torch.no_grad(), _slopes(model.parts, add):
            x, log_q = _dequantised(model, rows, add)
            z, log_det = flow.bijection(x, context)
            total = flow.base.log_prob(z) + log_det - log_q
            for latent in flow.split_latents(z):
                add(scalar.log_prob(latent.reshape(-1, 1)).view_as(latent))
        rest = (total.double() - placed.sum((1, 2))) / (height * width)
        maps.append((placed + rest[:, None, None]) / -math.log(2))
    return torch.cat(maps).numpy()


def _dequantised(model: ImageDensity, rows: Tensor, add: Any) -> tuple[Tensor, Tensor | float]:
    """x = k + u and log q(u | k), of which ``add`` is given what has places but is no map's slope."""
    if "dequantiser" not in model.parts:
        return rows, 0.0
    k, r = rows.chunk(2, 1)
    u, log_q = model.parts["dequantiser"](k, r)
    of_u, of_r = (torch.log(v * (1 - v)) for v in (u.double().clamp(1e-6, 1 - 1e-6), r.double().clamp(1e-6)))
    add(of_u - of_r)
    return k + u, log_q


@torch.no_grad()
def _bits_of_values(flow: Flow, x: Tensor, context: Tensor | None) -> NDArray[np.float64]:
    """(B, H, W), of a flow in which each value goes, as it is, through one map and no more."""
    scalar = type(flow.base)((1,)).to(x)
    places = torch.arange(x[0].numel(), dtype=x.dtype).view_as(x[:1])  # the maps are given their own places
    bits = torch.empty(x.flatten(1).shape, dtype=torch.float64)
    for (place, _, _), (_, y, log_dy) in zip(
        _maps(flow, places, None if context is None else context[:1]), _maps(flow, x, context), strict=True
    ):
        log_p = scalar.log_prob(y.reshape(-1, 1)).view_as(y) + log_dy
        bits[:, place.flatten().long()] = log_p.flatten(1).double() / -math.log(2)
    found: NDArray[np.float64] = bits.view(x.shape).sum(1).numpy()
    return found


def _maps(flow: Flow, x: Tensor, context: Tensor | None) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What each map is given and what it gives, x, y and log dy/dx, in turn."""
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda module, args, output: seen.append((args[0], *output)))
        for module in flow.modules()
        if isinstance(module, Elementwise)
    ]
    try:
        flow.bijection(x, context)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@contextmanager
def _slopes(flow: nn.Module, add: Any) -> Iterator[None]:
    """Gives ``add`` the log-slopes (B, C, h, w) of every map that has places, as the flow is computed."""

    def of_map(module: nn.Module, args: Any, output: Any) -> None:
        add(output[1])

    def of_logit(module: nn.Module, args: Any, output: Any) -> None:
        x = args[0].detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(module.forward(x)[0].sum(), x)
        add(slope.log())

    hooks = [
        module.register_forward_hook(of_map if isinstance(module, Elementwise) else of_logit)
        for module in flow.modules()
        if isinstance(module, Elementwise | Logit)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _latents(model: ImageDensity, images: Any, seed: int) -> tuple[Tensor, Tensor | None]:
    """z of the images, and what the flow was told of them."""
    tiles = list(model.dequantised(images, seed))
    z = torch.cat([model.fitted.bijection(x, context)[0] for x, context in tiles])
    contexts = [context for _, context in tiles if context is not None]
    return z, torch.cat(contexts) if contexts else None


@torch.no_grad()
def _images(model: ImageDensity, z: Tensor, context: Tensor | None) -> NDArray[np.uint8]:
    parts = z.split(model.tile)
    contexts = [None] * len(parts) if context is None else context.split(model.tile)
    both = zip(parts, contexts, strict=True)
    return _grey(model, torch.cat([model.fitted.bijection.inverse(*of_part)[0] for of_part in both]))


def _grey(model: ImageDensity, x: Tensor) -> NDArray[np.uint8]:
    if not bool(torch.isfinite(x).all()):
        raise RheonError("the flow gave values that are not finite; try a lower temperature.")
    return x.floor().clamp(0, (model.levels or 256) - 1).to(torch.uint8).numpy()
