"""What the densities of images and of tables share: scoring in tiles, sampling, saving by name."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from rheon.card import card
from rheon.errors import RheonError, whole
from rheon.flow import Flow, Recipe
from rheon.storage import write_model
from rheon.training import Checkpoints, Record, Settings, Source, Unit, fingerprint, train


class Density(ABC):
    """A density of data in their own units: ``fit`` learns it, then it scores, samples and saves itself."""

    flow: Flow | None = None
    """The flow, in evaluation mode; None before ``fit``."""

    tile = 256
    """Rows that go through the flow together. Fixed, so that a row's score has the same bits in any batch."""

    def __init__(self) -> None:
        self.history: list[Record] = []
        self.log = ""
        """The lines of ``training.jsonl`` of a model that was loaded."""
        self.info: dict[str, Any] = {}
        """Facts for the model directory: about the data, the training, the figures."""

    @abstractmethod
    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None, labels: Any = None
    ) -> Generator[Record, None, None]:
        """The training of ``fit`` as a generator of records, for whoever wants to watch or to stop it.

        With ``checkpoints`` it goes on from where an earlier one of the same data and settings was stopped.
        """

    def fit(
        self,
        data: Any,
        *,
        labels: Any = None,
        minutes: float | None = None,
        steps: int | None = None,
        seed: int = 0,
        settings: Settings | None = None,
        watch: Callable[[Record], object] | None = None,
    ) -> Self:
        """Learns the density of ``data`` by maximum likelihood, for ``minutes`` (2 unless said) or ``steps``.

        Of images ``labels`` (numbers or names, one an image, or True for those that came with them) make it
        class-conditional. A part of the rows is held out to choose the best weights by. ``settings`` says
        everything in one object instead. ``watch`` is called with the :class:`~rheon.training.Record` of each
        step, whose ``metrics()`` are what a tracker of experiments takes::

            model.fit(data, watch=lambda r: mlflow.log_metrics(r.metrics(), step=r.step))
            model.fit(data, watch=lambda r: wandb.log(r.metrics(), step=r.step))
        """
        if settings is not None and not isinstance(settings, Settings):
            raise RheonError(f"settings must be a rheon.training.Settings, got a {type(settings).__name__}.")
        if settings is not None and (minutes, steps, seed) != (None, None, 0):
            raise RheonError(
                "fit takes either settings, or minutes, steps and seed: settings hold those too."
            )
        settings = settings or self.settings(minutes=minutes, steps=steps, seed=seed)
        for record in self.training(data, settings, labels=labels):
            if watch is not None:
                watch(record)
        return self

    @property
    @abstractmethod
    def unit(self) -> Unit:
        """What likelihoods of this kind of data are told in, once the data are known."""

    @abstractmethod
    def settings(self, **changes: Any) -> Settings:
        """The settings that suit this kind of data, with ``changes``."""

    @abstractmethod
    def _architecture(self) -> dict[str, Any]:
        """Name and arguments of the architecture; a :class:`~rheon.RheonError` where none built the flow."""

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """What the model directory must say beside the architecture."""

    def _train(
        self,
        source: Source,
        validation: Source,
        settings: Settings,
        checkpoints: Checkpoints | None,
        data: np.ndarray,
    ) -> Generator[Record, None, None]:
        """Trains the flow and keeps the history; ``data`` are all rows, by which a run knows its own."""
        if checkpoints is not None:
            recipe, config = self.fitted.recipe, self._config()
            checkpoints.unit = self.unit
            checkpoints.identity |= {
                "architecture": recipe and recipe.name,
                "arguments": recipe and dict(recipe.arguments),
                **{name: config.get(name) for name in ("preprocessing", "schema")},
                "data": fingerprint(data),
            }
        self.history = []
        self.info["settings"] = asdict(settings)
        unit = self.unit
        with closing(train(self._objective, source, validation, settings, checkpoints)) as records:
            for plain in records:
                record = replace(plain, unit=unit)
                self.history.append(record)
                yield record

    def _tensors(self) -> dict[str, Tensor]:
        return {f"flow.{name}": tensor for name, tensor in self.fitted.state_dict().items()}

    @property
    def _objective(self) -> nn.Module:
        """Rows → log p, or a bound on it, (B,): what training maximises, and what scores are."""
        return self.fitted

    @property
    def fitted(self) -> Flow:
        """The flow; a :class:`~rheon.RheonError` before ``fit``."""
        if self.flow is None:
            raise RheonError(f"this {type(self).__name__} has learned nothing yet: call fit(data) first.")
        return self.flow

    def save(
        self, path: str | Path, *, files: Mapping[str, str | bytes] | None = None, overwrite: bool = False
    ) -> None:
        """Writes the directory: ``config.json``, ``model.safetensors``, ``README.md``, ``training.jsonl``.

        It appears whole or not at all, with ``files`` beside (name → content, such as pictures); an existing
        one is kept unless ``overwrite``.
        """
        config = {**self._config(), "architecture": self._architecture(), **self.info}
        written = {
            "README.md": card(config, Path(path).name),
            "training.jsonl": "".join(f"{json.dumps(r.as_dict())}\n" for r in self.history) or self.log,
            **(files or {}),
        }
        write_model(path, config, self._tensors(), written, overwrite=overwrite)

    def _draw(
        self,
        n: int,
        temperature: float,
        seed: int | None,
        context: Callable[[slice, torch.Generator], Tensor | None],
    ) -> Tensor:
        """n draws of what the flow is a density of given ``context``, tile by tile, finite."""
        flow, n = self.fitted, whole("n", n, 0)
        generator = generator_of(seed)
        tiles = [slice(start, min(start + self.tile, n)) for start in range(0, n, self.tile)]
        parts = [
            flow.sample(rows.stop - rows.start, context(rows, generator), temperature, generator)
            for rows in tiles
        ]
        x = torch.cat(parts) if parts else torch.empty(0, *flow.event_shape)
        if not bool(torch.isfinite(x).all()):
            raise RheonError("sample: the flow gave values that are not finite; try a lower temperature.")
        return x

    def _score(self, rows: Callable[[slice], tuple[Tensor, Tensor | None]], n: int) -> np.ndarray:
        """The objective of n rows, (n,) float64, tile by tile, the last filled up with its first row."""
        objective = self._objective
        scores = np.empty(n)
        with torch.no_grad():
            for start in range(0, n, self.tile):
                x, context = rows(slice(start, min(start + self.tile, n)))
                log_p = objective(self._filled(x), None if context is None else self._filled(context))
                scores[start : start + len(x)] = log_p[: len(x)].double().numpy()
        return scores

    def _filled(self, rows: Tensor) -> Tensor:
        return torch.cat((rows, rows[:1].expand(self.tile - len(rows), *rows.shape[1:])))


def generator_of(seed: int | None) -> torch.Generator:
    """A generator of this seed; of fresh entropy without one: the global generator is the caller's."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    return generator.manual_seed(whole("seed", seed, 0))


def named(flow: Flow, build: Callable[[Recipe], Flow]) -> dict[str, Any]:
    """Name and arguments of the architecture that built a flow, by ``build`` built again to compare.

    Raises:
        RheonError: no architecture built it, or a part has been exchanged since.
    """
    recipe = flow.recipe
    # A part that was exchanged after building would load as what the recipe says: another density.
    if recipe is None or repr(build(recipe)) != repr(flow):
        raise RheonError(
            "only flows that an architecture function built, unchanged but for their weights, can be saved "
            "by name; keep your own flow's state_dict() beside the code that builds it."
        )
    return {"name": recipe.name, "arguments": dict(recipe.arguments)}
