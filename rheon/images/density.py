"""ImageDensity: integer images in, log-probabilities, bits per dimension and new images out."""

import math
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rheon.architectures import ARCHITECTURES, build
from rheon.bijections import Composition, Logit
from rheon.density import Density, named
from rheon.errors import DataError, ModelError, RheonError, whole
from rheon.flow import Flow, Recipe
from rheon.images.augment import Augmentation
from rheon.images.noise import Dequantised, image_noise
from rheon.images.pixels import Pixels
from rheon.images.reading import ImageSet, read_images, to_layout
from rheon.storage import load_module
from rheon.training import Checkpoints, Record, Settings, Unit

_VALIDATION_BYTES = 1 << 28
"""Of pictures that are cut out or decoded as they are wanted; more only take time."""

Architecture = Callable[[tuple[int, int, int]], Flow]


class ImageDensity(Density):
    """The density of images with integer grey levels k in {0, …, levels - 1}^D, D = C · H · W.

    A flow over the dequantised image x = k + u, u uniform on [0, 1)^D, is trained by maximum likelihood:
    over x itself where the architecture is made for grey levels (``"image_flow"``), else over y = logit(α +
    (1 - 2α) x / levels). With every Jacobian counted, its log p(x) is per unit of grey level, so

        log P(k) ≥ E_u log p(k + u),     bits per dimension = -log p / (D ln 2).

    All figures are that bound, by noise that is a function of the image and a seed; with ``draws`` = k >
    1 they are the tighter importance-weighted bound log (1/k) Σ_j p(k + u_j), the mean before the
    logarithm.

    Args:
        architecture: ``"image_flow"``, ``"realnvp"`` (the multi-scale one), ``"spline"``,
            ``"nice"``, a name from ``rheon.architectures``, or any function of the shape (C, H, W) that
            returns a :class:`~rheon.Flow` over y.
        levels: number of grey levels; found from the data unless given (17 for digits, usually 256).
        alpha: α, the edge squeeze that keeps the logit finite.
        layout: of arrays to learn from, ``"NHW"``, ``"NHWC"``, ``"NCHW"`` or ``"HWC"``; found unless given.
        augment: what training does to images, such as ``[Flip(), Shift(2)]``; evaluation does not.

    Reference: Theis, van den Oord, Bethge, *A note on the evaluation of generative models*, 2016,
    arXiv:1511.01844; Burda, Grosse, Salakhutdinov, *Importance Weighted Autoencoders*, 2016,
    arXiv:1509.00519.

    >>> images = np.random.default_rng(0).integers(0, 4, (64, 4, 4), dtype=np.uint8)
    >>> model = ImageDensity().fit(images, steps=2)
    >>> model.bits_per_dim(images).shape, model.sample(5).shape
    ((64,), (5, 4, 4))
    """

    tile = 64

    def __init__(
        self,
        architecture: str | Architecture = "image_flow",
        levels: int | None = None,
        alpha: float = 0.01,
        layout: str | None = None,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        super().__init__()
        self.architecture = architecture
        if isinstance(architecture, str):
            check_named(architecture)
        self.levels, self.alpha, self.augment = levels, alpha, tuple(augment)
        self.shape: tuple[int, int, int] = (0, 0, 0)
        self.layout = "NCHW"
        self._given_layout = layout

    @property
    def unit(self) -> Unit:
        return Unit.bits_per_dim(self.shape)

    def settings(self, **changes: Any) -> Settings:
        defaults: dict[str, Any] = {"batch_size": 64, "learning_rate": 3e-3, "ema_decay": 0.99}
        if self.architecture == "image_flow":
            defaults |= {"batch_size": 16, "learning_rate": 1e-2, "betas": (0.9, 0.95)}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None
    ) -> Generator[Record, None, None]:
        images = _read(data, self.levels, self._given_layout)
        n = len(images.images)
        if n < 8:
            raise DataError(
                f"images: {n} are too few to learn a density from and to validate it; give at least 8."
            )
        learn, held_out = images.split(0.1, settings.seed)
        self.levels, self.layout = images.levels, images.layout
        self.shape = images.images.shape[1:]
        self.flow = self._of_levels(self._build(settings.seed))
        self.info["data"] = {
            "description": images.description,
            "training_images": len(learn),
            "validation_images": len(held_out),
        }
        if checkpoints is not None and self.augment:
            checkpoints.identity["augment"] = [str(change) for change in self.augment]
        source = Dequantised(_held(learn.images), self.augment)
        validation = Dequantised(torch.from_numpy(held_out.some(_VALIDATION_BYTES)))
        kept = images.images if isinstance(images.images, np.ndarray) else images.images.identity()
        yield from self._train(source, validation, settings, checkpoints, kept)

    def log_prob(self, images: Any, *, draws: int = 1, seed: int = 0) -> np.ndarray:
        """A lower bound (in expectation) on log P(k) of each image, (N,) float64, in nats."""
        draws, seed = whole("draws", draws, 1), whole("seed", seed, 0)
        k = self.read(images).images

        def dequantised(rows: slice) -> Tensor:
            return torch.from_numpy(k[rows]) + image_noise(k[rows], seed, draw)

        scores = np.empty((draws, len(k)))
        for draw in range(draws):
            scores[draw] = self._score(dequantised, len(k))
        bad = np.flatnonzero(np.isnan(scores).any(0))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} images, the first is {bad[0]}."
            )
        return np.logaddexp.reduce(scores, 0) - math.log(draws)

    def bits_per_dim(self, images: Any, *, draws: int = 1, seed: int = 0) -> np.ndarray:
        """-log_prob / (D ln 2) of each image, (N,): an upper bound on the bits a pixel value costs."""
        return -self.log_prob(images, draws=draws, seed=seed) / (math.prod(self.shape) * math.log(2))

    def sample(self, n: int, *, temperature: float = 1.0, seed: int | None = None) -> np.ndarray:
        """n new images, uint8, in the layout of the training images; fresh ones each time without a seed."""
        k = self._draw(n, temperature, seed).floor().clamp_(0, self._levels - 1).to(torch.uint8)
        return to_layout(k.numpy(), self.layout)

    def round_trip_error(self, images: Any, *, seed: int = 0) -> float:
        """max |f⁻¹(f(x)) - x| over the dequantised images, in grey levels."""
        flow, worst = self.fitted, 0.0
        k = self.read(images).images
        with torch.no_grad():
            for start in range(0, len(k), self.tile):
                part = k[start : start + self.tile]
                x = torch.from_numpy(part) + image_noise(part, seed, 0)
                back, _ = flow.bijection.inverse(flow.bijection(x)[0])
                worst = max(worst, float((back - x).abs().max()))
        return worst

    @property
    def _levels(self) -> int:
        return self.levels or 0

    def _build(self, seed: int) -> Flow:
        """The untrained flow; a function of the user's own decides its initial weights itself."""
        if isinstance(self.architecture, str):
            full = _SHORT.get(self.architecture, self.architecture)
            flow = ARCHITECTURES[full](**_FOR_IMAGES[full](self.shape, self._levels), seed=seed)
        else:
            flow = self.architecture(self.shape)
        if not isinstance(flow, Flow):
            raise RheonError(f"architecture must return a rheon.Flow, it returned a {type(flow).__name__}.")
        if tuple(flow.event_shape) != tuple(self.shape):
            raise DataError(
                f"the architecture takes images of {_times(flow.event_shape)}, not {_times(self.shape)} "
                "(channels × height × width)."
            )
        return flow

    def read(self, images: Any) -> ImageSet:
        """Images as this model takes them: an array that could be read in two ways, as those of training.

        Raises:
            DataError: they have another shape, or values beyond the model's grey levels.
        """
        self.fitted  # noqa: B018 - refuses to score before fit
        learned = dict(zip("CHW", self.shape, strict=True))
        as_learned = tuple(getattr(images, "shape", ()))[1:] == tuple(
            learned[axis] for axis in self.layout[1:]
        )
        given = _read(images, self.levels, self.layout if as_learned else None)
        if given.images.shape[1:] != self.shape:
            raise DataError(
                f"images have shape {_times(given.images.shape[1:])}, the model learned {_times(self.shape)} "
                "(channels × height × width)."
            )
        return given

    def _architecture(self) -> dict[str, Any]:
        return named(self.fitted, self._from_recipe)

    def _from_recipe(self, recipe: Recipe) -> Flow:
        return self._of_levels(build(recipe.name, recipe.arguments))

    def _of_levels(self, flow: Flow) -> Flow:
        """The flow of x, which stands behind the logit where it is one of y."""
        if flow.recipe is not None and flow.recipe.name in _OF_LEVELS:
            return flow
        return _with_logit(flow, Logit(self._levels, self.alpha))

    def _config(self) -> dict[str, Any]:
        return {
            "kind": "image",
            "preprocessing": {"levels": self.levels, "alpha": self.alpha},
            "schema": {"shape": list(self.shape), "layout": self.layout},
        }

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        try:
            name, arguments = config["architecture"]["name"], config["architecture"]["arguments"]
            levels, alpha = config["preprocessing"]["levels"], config["preprocessing"]["alpha"]
            shape, layout = tuple(config["schema"]["shape"]), config["schema"]["layout"]
        except (KeyError, TypeError) as error:
            raise ModelError(f"config.json of an image model lacks {error}.") from None
        if name not in _FOR_IMAGES:
            raise ModelError(
                f"config.json names the architecture {name!r}, which this rheon does not have for images."
            )
        model = cls(name, levels, alpha)
        model.shape, model.layout = shape, layout

        weights = {key.removeprefix("flow."): tensor for key, tensor in tensors.items()}
        model.flow = load_module(lambda: model._from_recipe(Recipe(name, arguments)), weights).eval()
        if tuple(model.fitted.event_shape) != shape:
            raise ModelError(f"config.json says images of shape {shape}, the flow takes another.")
        return model


def check_named(name: str) -> None:
    """Refuses a name that stands for no architecture of images."""
    if _SHORT.get(name, name) not in _FOR_IMAGES:
        known = ", ".join((*_SHORT, *_FOR_IMAGES))
        raise RheonError(f"architecture {name!r} is not known for images; there are {known}.")


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


_SHORT = {"realnvp": "multiscale_realnvp", "spline": "multiscale_spline"}

_FOR_IMAGES: dict[str, Callable[[tuple[int, int, int], int], dict[str, Any]]] = {
    "image_flow": lambda shape, levels: {"shape": shape, "grey_levels": levels},
    "multiscale_realnvp": lambda shape, levels: {"shape": shape, "levels": scales(shape)},
    "multiscale_spline": lambda shape, levels: {"shape": shape, "levels": scales(shape)},
    "nice": lambda shape, levels: {"features": shape},
    "realnvp_cifar10": lambda shape, levels: {},
    "realnvp_imagenet32": lambda shape, levels: {},
}

_OF_LEVELS = {"image_flow"}
"""Architectures that take x in [0, levels] itself."""


def _with_logit(flow: Flow, logit: Logit) -> Flow:
    """The flow behind the logit, so that one :class:`Flow` holds the density of x and all its Jacobians."""
    whole = Flow(Composition([logit, flow.bijection]), flow.base, flow.event_shape)
    whole.recipe = flow.recipe
    return whole


def _read(data: Any, levels: int | None, layout: str | None) -> ImageSet:
    images = read_images(data, levels=levels, layout=layout)
    if images.left_out and not isinstance(data, ImageSet):  # whoever read them has been told
        warnings.warn(images.left_out, stacklevel=4)
    return images


def _held(images: np.ndarray | Pixels) -> Tensor | Pixels:
    return torch.from_numpy(images) if isinstance(images, np.ndarray) else images


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
