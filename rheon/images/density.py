"""ImageDensity: integer images in, log-probabilities, bits per dimension and new images out."""

import math
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from rheon.architectures import build
from rheon.bijections import Logit
from rheon.density import Density, named
from rheon.errors import DataError, ModelError, RheonError, whole
from rheon.flow import Flow, Recipe
from rheon.images.augment import Augmentation
from rheon.images.classes import Classes
from rheon.images.facts import Facts
from rheon.images.noise import UNIFORM, Contexts, Dequantised, image_noise
from rheon.images.pixels import Pixels
from rheon.images.preparation import Preparation
from rheon.images.presets import (
    behind_logit,
    check_dequantise,
    check_named,
    dequantisation,
    full_name,
    of_levels,
    untrained,
)
from rheon.images.reading import AS_THEY_ARE, ImageSet, read_images, to_layout
from rheon.storage import load_module
from rheon.training import Checkpoints, Record, Settings, Unit, fingerprint

_VALIDATION_BYTES = 1 << 28
"""Of pictures that are cut out or decoded as they are wanted; more only take time."""

Architecture = Callable[[tuple[int, int, int]], Flow]


class ImageDensity(Density):
    """The density of images with integer grey levels k in {0, …, levels - 1}^D, D = C · H · W.

    A flow over the dequantised image x = k + u, u in [0, 1)^D, is trained by maximum likelihood. With every
    Jacobian counted, its log p(x) is per unit of grey level, and bits per dimension = -log P(k) / (D ln 2).

    Where the architecture is made for grey levels (``"image_flow"``, over x itself), log p(k + u) is log P(k)
    exactly, whatever u. Others are over y = logit(α + (1 - 2α) x / levels), and their figures are bounds,

        log P(k) ≥ E_u [log p(k + u) - log q(u | k)],

    by noise that is a function of the image and a seed; with ``draws`` = n > 1 the tighter log (1/n) Σ_j
    p(k + u_j) / q(u_j | k), importance-weighted, the mean before the logarithm. ``model.likelihood(draws)``
    says which a figure is; figures of different kinds are not to stand in one table.

    Fitted with labels it is class-conditional: the flow learns p(x | c), and p(c) are the shares of the
    classes in training. Then p(x) = Σ_c p(c) p(x | c), and ``classify`` gives p(c | x).

    Args:
        architecture: ``"image_flow"`` (``_base`` and ``_large`` are larger), ``"realnvp"`` (the multi-scale
            one), ``"spline"``, ``"nice"``, a name from ``rheon.architectures``, or any function of the shape
            (C, H, W) that returns a :class:`~rheon.Flow` over y.
        levels: number of grey levels; found from the data unless given (17 for digits, usually 256).
        alpha: α, the edge squeeze that keeps the logit finite.
        layout: of arrays to learn from, ``"NHW"``, ``"NHWC"``, ``"NCHW"`` or ``"HWC"``; found unless given.
        augment: what training does to images, such as ``[Flip(), Shift(2)]``; evaluation does not.
        dequantise: ``"uniform"`` noise, q = 1, or ``"learned"``: q(u | k) is a small flow, learned together
            with p. ``"image_flow"`` needs no noise.

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
        dequantise: str = "uniform",
    ) -> None:
        super().__init__()
        self.architecture = architecture
        if isinstance(architecture, str):
            check_named(architecture)
        check_dequantise(dequantise, architecture)
        self.dequantise = dequantise
        self.levels, self.alpha, self.augment = levels, alpha, tuple(augment)
        self.shape: tuple[int, int, int] = (0, 0, 0)
        self.layout = "NCHW"
        self.classes: Classes | None = None
        """The classes that a class-conditional model learned."""
        self.preparation = Preparation()
        """What was done with the pictures that it learned from, and is done with those that it scores."""
        self._given_layout = layout
        self._noise = UNIFORM

    @property
    def unit(self) -> Unit:
        return Unit.bits_per_dim(self.shape, self.likelihood())

    def likelihood(self, draws: int = 1) -> str:
        """What figures with so many ``draws`` of the noise are: log P of the levels, or which bound on it.

        >>> model = ImageDensity("realnvp").fit("digits", steps=2)
        >>> model.likelihood(), model.likelihood(draws=8)
        ('ELBO with uniform noise', 'importance-weighted bound with 8 draws of uniform noise')
        """
        self.fitted  # noqa: B018 - refuses before fit
        return self._noise.likelihood(whole("draws", draws, 1))

    def settings(self, **changes: Any) -> Settings:
        defaults: dict[str, Any] = {"batch_size": 64, "learning_rate": 3e-3, "ema_decay": 0.99}
        if isinstance(self.architecture, str) and full_name(self.architecture) == "image_flow":
            defaults |= {"batch_size": 16, "learning_rate": 1e-2, "betas": (0.9, 0.95)}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None, labels: Any = None
    ) -> Generator[Record, None, None]:
        images = _read(data, self.levels, self._given_layout)
        n = len(images.images)
        if n < 8:
            raise DataError(
                f"images: {n} are too few to learn a density from and to validate it; give at least 8."
            )
        self.classes = numbers = None
        if labels is not None:
            self.classes, numbers = Classes.of(images, labels)
        images = replace(images, labels=numbers, classes=None)
        learn, held_out = images.split(0.1, settings.seed)
        self.levels, self.layout, self.preparation = images.levels, images.layout, images.preparation
        self.shape = images.images.shape[1:]
        self.flow = self._of_levels(self._build(settings.seed))
        self._noise = dequantisation(self.dequantise, self.flow, images.levels, settings.seed)
        self.info["data"] = {
            "description": images.description,
            "training_images": len(learn),
            "validation_images": len(held_out),
        }
        if checkpoints is not None and self.augment:
            checkpoints.identity["augment"] = [str(change) for change in self.augment]
        if checkpoints is not None and numbers is not None:
            checkpoints.identity["labels"] = fingerprint(numbers)
        some = held_out.fewer(_VALIDATION_BYTES)
        source = Dequantised(_held(learn.images), self.augment, self._contexts(learn), self._noise)
        validation = Dequantised(torch.from_numpy(some.array), (), self._contexts(some), self._noise)
        kept = images.images if isinstance(images.images, np.ndarray) else images.images.identity()
        yield from self._train(source, validation, settings, checkpoints, kept)

    def log_prob(self, images: Any, *, labels: Any = None, draws: int = 1, seed: int = 0) -> np.ndarray:
        """log P(k) of each image, (N,) float64, in nats, or a lower bound on it, by :meth:`likelihood`.

        Of a class-conditional model it is log Σ_c p(c) P(k | c); given ``labels`` (names or numbers as in
        training, one an image or one for all, or True for those that came with the images) it is
        log P(k | c).
        """
        read = self.read(images)
        if labels is not None:
            return self._bounds(read, self._conditional.numbers(read, labels), draws, seed)
        if self.classes is None:
            return self._bounds(read, None, draws, seed)
        return np.logaddexp.reduce(self._joint(read, draws, seed), 1)

    def bits_per_dim(self, images: Any, *, labels: Any = None, draws: int = 1, seed: int = 0) -> np.ndarray:
        """-log_prob / (D ln 2) of each image, (N,): the bits that a pixel value costs, or a bound on them."""
        return self.unit.scale * -self.log_prob(images, labels=labels, draws=draws, seed=seed)

    def classify(self, images: Any, *, draws: int = 1, seed: int = 0) -> np.ndarray:
        """p(c | x) of each image and class, (N, K) float64, in the order of ``classes.names``.

        Raises:
            RheonError: the model was learned without labels.
        """
        self._conditional  # noqa: B018 - refuses first
        joint = self._joint(self.read(images), draws, seed)
        return np.exp(joint - np.logaddexp.reduce(joint, 1, keepdims=True))

    def context(self, images: Any, *, seed: int = 0) -> Tensor | None:
        """What the flow is told of each image, (N, K): its most probable class, one-hot; else None."""
        if self.classes is None:
            return None
        return self.classes.context(self._joint(self.read(images), 1, seed).argmax(1))

    def sample(
        self, n: int, *, label: Any = None, temperature: float = 1.0, seed: int | None = None
    ) -> np.ndarray:
        """n new images, uint8, in the layout of the training images; fresh ones each time without a seed.

        Of a class-conditional model they are of the classes by their shares, or of the class ``label`` (one
        for all, or one for each).
        """
        chosen = None if label is None else self._conditional.numbers(whole("n", n, 0), label)

        def context(rows: slice, generator: torch.Generator) -> Tensor | None:
            if self.classes is None:
                return None
            if chosen is not None:
                return self.classes.context(chosen[rows])
            return self.classes.context(self.classes.drawn(rows.stop - rows.start, generator))

        x = self._draw(n, temperature, seed, context)
        k = x.floor().clamp_(0, self._levels - 1).to(torch.uint8)
        return to_layout(k.numpy(), self.layout)

    def round_trip_error(self, images: Any, *, seed: int = 0) -> float:
        """max |f⁻¹(f(x)) - x| over the dequantised images, in grey levels."""
        worst = 0.0
        with torch.no_grad():
            for x, context in self.dequantised(images, seed):
                back, _ = self.fitted.bijection.inverse(self.fitted.bijection(x, context)[0], context)
                worst = max(worst, float((back - x).abs().max()))
        return worst

    def dequantised(self, images: Any, seed: int = 0) -> Iterator[tuple[Tensor, Tensor | None]]:
        """x = k + u and what the flow is told of them, of as many images at once as the model takes."""
        for rows, context in self.objective_rows(images, seed):
            yield self._noise.x(rows), context

    def objective_rows(self, images: Any, seed: int = 0) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Likewise what training and scoring take: k + u, or where noise is learned (k, r), r uniform."""
        read = self.read(images)
        contexts = self.context(read, seed=seed)
        for start in range(0, len(read), self.tile):
            rows = slice(start, min(start + self.tile, len(read)))
            k = read.images[rows]
            taken = self._noise.rows(torch.from_numpy(k), image_noise(k, seed, 0))
            yield taken, None if contexts is None else contexts[rows]

    @property
    def parts(self) -> nn.ModuleDict:
        """All that is learned, by name: the flow, and where noise is learned its flow."""
        return nn.ModuleDict({"flow": self.fitted, **self._noise.parts})

    @property
    def _objective(self) -> nn.Module:
        return self._noise.objective(self.fitted)

    @property
    def _conditional(self) -> Classes:
        self.fitted  # noqa: B018 - refuses before fit
        if self.classes is None:
            raise RheonError("this model knows no classes: fit it with labels (rheon fit --labels).")
        return self.classes

    def _joint(self, read: ImageSet, draws: int, seed: int) -> np.ndarray:
        """log p(c) P(k | c), (N, K)."""
        classes = self._conditional
        joint = np.full((len(read), len(classes)), -np.inf)
        for c, log_share in enumerate(classes.log_shares):
            if np.isfinite(log_share):
                joint[:, c] = log_share + self._bounds(read, np.full(len(read), c), draws, seed)
        return joint

    def _bounds(self, read: ImageSet, numbers: np.ndarray | None, draws: int, seed: int) -> np.ndarray:
        """The bound on log P(k), or on log P(k | c) for the classes c of these numbers, (N,)."""
        draws, seed = whole("draws", draws, 1), whole("seed", seed, 0)
        k, classes, noise = read.images, self.classes, self._noise
        draws = noise.draws(draws)

        def rows_of(rows: slice) -> tuple[Tensor, Tensor | None]:
            context = None if classes is None or numbers is None else classes.context(numbers[rows])
            return noise.rows(torch.from_numpy(k[rows]), image_noise(k[rows], seed, draw)), context

        scores = np.empty((draws, len(k)))
        for draw in range(draws):
            scores[draw] = self._score(rows_of, len(k))
        bad = np.flatnonzero(np.isnan(scores).any(0))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} images, the first is {bad[0]}."
            )
        return np.logaddexp.reduce(scores, 0) - math.log(draws)

    def _contexts(self, images: ImageSet) -> Contexts | None:
        if self.classes is None or images.labels is None:
            return None
        classes, numbers = self.classes, torch.from_numpy(images.labels)
        return lambda rows: classes.context(numbers[rows])

    @property
    def _levels(self) -> int:
        return self.levels or 0

    def _build(self, seed: int) -> Flow:
        """The untrained flow; a function of the user's own decides its initial weights itself."""
        features = 0 if self.classes is None else len(self.classes)
        if isinstance(self.architecture, str):
            flow = untrained(self.architecture, self.shape, self._levels, features, seed)
        else:
            flow = self.architecture(self.shape)
        if not isinstance(flow, Flow):
            raise RheonError(f"architecture must return a rheon.Flow, it returned a {type(flow).__name__}.")
        if tuple(flow.event_shape) != tuple(self.shape):
            raise DataError(
                f"the architecture takes images of {_times(flow.event_shape)}, not {_times(self.shape)} "
                "(channels × height × width)."
            )
        if flow.context_features != features:
            raise RheonError(
                f"the architecture takes a context of {flow.context_features} features, and there are "
                f"{features or 'no'} classes: build it with context_features={features}."
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
        given = _read(images, self.levels, self.layout if as_learned else None, self.preparation)
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
        if of_levels(flow):
            return flow
        return behind_logit(flow, Logit(self._levels, self.alpha))

    def _config(self) -> dict[str, Any]:
        return Facts(
            *(self.shape, self.layout, self.levels, self.alpha, self.dequantise),
            *(self.preparation, self.classes),
        ).config()

    def _tensors(self) -> dict[str, Tensor]:
        return self.parts.state_dict()

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        facts, recipe = Facts.of(config), Recipe(**config["architecture"])
        model = cls(recipe.name, facts.levels, facts.alpha, dequantise=facts.dequantise)
        model.shape, model.layout, model.classes = facts.shape, facts.layout, facts.classes
        model.preparation = facts.preparation

        def parts() -> nn.ModuleDict:
            model.flow = model._from_recipe(recipe)
            model._noise = dequantisation(model.dequantise, model.flow, model._levels, 0)
            return model.parts

        load_module(parts, tensors).eval()
        if tuple(model.fitted.event_shape) != facts.shape:
            raise ModelError(f"config.json says images of shape {facts.shape}, the flow takes another.")
        if model.fitted.context_features != (len(facts.classes) if facts.classes else 0):
            raise ModelError("config.json names other classes than the flow takes.")
        return model


def _read(data: Any, levels: int | None, layout: str | None, prepare: Preparation = AS_THEY_ARE) -> ImageSet:
    images = read_images(data, levels=levels, layout=layout, prepare=prepare)
    if images.left_out and not isinstance(data, ImageSet):  # whoever read them has been told
        warnings.warn(images.left_out, stacklevel=4)
    return images


def _held(images: np.ndarray | Pixels) -> Tensor | Pixels:
    return torch.from_numpy(images) if isinstance(images, np.ndarray) else images


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
