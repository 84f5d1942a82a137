"""Continuous: the density of real columns, given others or not, in the columns' own units."""

import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rheon.errors import DataError, RheonError
from rheon.flow import Flow
from rheon.tables.floor import Floor
from rheon.tables.flows import Architecture, check_name, new_flows
from rheon.tables.folds import Members, fold_of_each
from rheon.tables.preparing import prepare
from rheon.tables.preprocessing import Preprocessing
from rheon.tables.reading import Table
from rheon.tables.saved import Saved
from rheon.tables.sizing import FOLDS, MANY, smoothing
from rheon.tables.streaming import StreamedTable
from rheon.tables.tiles import TILE, filled
from rheon.training import Checkpoints, Encoded, Record, Settings, Source, Unit, fingerprint, train
from rheon.training.threads import lent_threads

LEAST = 10
"""Rows to learn from, at least."""

_SHARE, _SHARE_OF_FOLDS = 0.88, 0.86
"""Of the minutes, for the training of the flows: the rest is what preprocessing and mixtures take."""


class Continuous:
    """p(y | context) of real columns y, by flows on preprocessed columns and mixtures beside them.

        log p(y) = log( w / M Σ_m p_m(z) |det ∂z/∂y| + (1 - w) p_mixtures(y) )

    z are the columns as :class:`~rheon.tables.preprocessing.Preprocessing` makes them. Below 6,000 rows there
    are M = 5 flows, each of which learns from four fifths of the rows and is judged by the others, so that
    every row takes part in both; from there on one flow, with a tenth of the rows to judge it. w is what
    makes the rows judged by most probable. The mixtures are a :class:`~rheon.tables.floor.Floor`.

    Args:
        architecture: ``"tabular"`` for all of this. Any other name of :mod:`rheon.architectures` that takes
            vectors, or function of D that returns a :class:`~rheon.Flow`: one flow, and no mixtures.

    >>> y = np.random.default_rng(0).normal(size=(200, 2))
    >>> density = Continuous()
    >>> for record in density.training(y, None, Settings(steps=2)):
    ...     pass
    >>> density.log_prob(y).shape, density.sample(5, generator=torch.Generator()).shape
    (torch.Size([200]), torch.Size([5, 2]))
    """

    def __init__(self, architecture: str | Architecture = "tabular") -> None:
        check_name(architecture)
        self.architecture = architecture
        self.flows: list[Flow] = []
        self.rows = (0, 0)
        """How many rows there are to learn from, and how many to judge by."""
        self.weight = 1.0
        """w, the weight of the flows."""
        self.floor: Floor | None = None
        self.preprocessing: Preprocessing | None = None
        self.given: Preprocessing | None = None
        """What the context goes through, where there is one."""
        self.log_det = 0.0
        """Mean of log|det ∂z/∂y| over the rows judged by: what a validation, in z, lacks to log p(y)."""

    @property
    def features(self) -> int:
        """D."""
        return self.fitted[0].event_shape[0]

    @property
    def fitted(self) -> list[Flow]:
        """The flows; a :class:`~rheon.RheonError` before ``training``."""
        if not self.flows:
            raise RheonError("this density has learned nothing yet.")
        return self.flows

    @property
    def unit(self) -> Unit:
        """What likelihoods are told in: mean log p(y) in nats."""
        return Unit.mean_log_prob(self.log_det)

    def training(
        self, y: Any, context: Any, settings: Settings, checkpoints: Checkpoints | None = None
    ) -> Generator[Record, None, None]:
        """Learns from rows y (N, D) and context (N, M) or None, float64, and yields a record after each step.

        With ``checkpoints`` it goes on from where an earlier one of the same rows and settings was stopped.
        y may be a :class:`~rheon.tables.StreamedTable`, of which a sample makes what is not the flow.

        Raises:
            DataError: there are too few rows, or a column does not vary.
        """
        table = y.split(0.1, settings.seed) if isinstance(y, StreamedTable) else None
        if table is not None:
            some = table[0].sample(len(table[0]), settings.seed)
            y = np.concatenate((some.values, table[1].values))
        y, context = _real(y), None if context is None else _real(context)
        if len(y) < LEAST:
            raise DataError(
                f"table: {len(y)} rows are too few to learn a density from and to validate it; give at least "
                f"{LEAST}."
            )
        with lent_threads(1):
            default = self.architecture == "tabular"
            fold = fold_of_each(len(y), settings.seed, FOLDS if default and len(y) < MANY else 1)
            if table is not None:
                fold = (torch.arange(len(y)) >= len(some)).long() - 1
            ready = prepare(y, context, fold, default and context is None, settings.seed)
        self.preprocessing, self.given = ready.preprocessing, ready.given_preprocessing
        self.log_det, self.rows = ready.log_det, ready.rows
        self.floor, self.weight = None, 1.0
        (n, d), m = ready.z.shape, 0 if ready.given is None else ready.given.shape[1]
        self.flows = new_flows(self.architecture, n, d, m, len(ready.folds), settings.seed)
        if checkpoints is not None:
            recipe, raw = self.flows[0].recipe, y if context is None else torch.cat((y, context), 1)
            checkpoints.identity |= {
                "architecture": recipe and recipe.name,
                "arguments": recipe and dict(recipe.arguments),
                "members": len(self.flows),
                "data": fingerprint(raw.numpy()) if table is None else table[0].fingerprint(),
            }
            checkpoints.unit = self.unit
        if settings.minutes is not None:
            share = _SHARE if len(self.flows) == 1 else _SHARE_OF_FOLDS  # fixed: the same where a run goes on
            settings = replace(settings, minutes=share * settings.minutes)
        members = Members(self.flows)
        learn: Source = ready.source(learn=True, noise=smoothing(len(y)) if default else 0.0)
        if table is not None:
            learn, self.rows = table[0].source(self._encode), (len(table[0]), len(table[1]))
        try:
            with closing(train(members, learn, ready.source(learn=False), settings, checkpoints)) as records:
                for record in records:
                    yield replace(record, unit=self.unit)
        finally:  # also where it is ended early: the flows are then the best so far
            if not sys.is_finalizing():
                members.eval()
                with lent_threads(1):
                    self.floor, self.weight = ready.weigh(self.flows)

    def _encode(self, table: Table) -> Encoded:
        """Rows to learn from, and the one member that they are for."""
        assert self.preprocessing is not None
        return self.preprocessing.training_rows(_real(table.values)), torch.zeros(len(table), 1)

    @torch.no_grad()
    def log_prob(self, y: Any, context: Any = None) -> Tensor:
        """log p of each row, (N,) float64, in nats, per product of the columns' units."""
        y, context = _real(y), None if context is None else _real(context)
        scores = torch.empty(len(y), dtype=torch.float64)
        for start in range(0, len(y), TILE):
            part = slice(start, min(start + TILE, len(y)))
            found = self._tile(filled(y[part]), None if context is None else filled(context[part]))
            scores[part] = found[: part.stop - part.start]
        return scores

    def _tile(self, y: Tensor, context: Tensor | None) -> Tensor:
        flows, preprocessing = self.fitted, self.preprocessing
        assert preprocessing is not None
        z, log_det = preprocessing.forward(y)
        given = self._context(context)
        narrow = z.float()
        parts = [flow(narrow, given).double() for flow in flows]
        log_p = torch.stack(parts).logsumexp(0) - np.log(len(flows)) + log_det
        if self.floor is not None:
            # Both are there in every far corner: a flow that gives no number leaves the mixtures'.
            beside = self.floor.log_prob(y, z, log_det) + np.log1p(-self.weight)
            log_p = torch.logaddexp(log_p + np.log(self.weight), beside)
        return log_p

    @torch.no_grad()
    def sample(
        self, n: int, context: Any = None, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n rows, (n, D) float64, in the columns' own units; one for each row of the context, if any."""
        flows, preprocessing = self.fitted, self.preprocessing
        assert preprocessing is not None
        if generator is None:
            generator = torch.Generator()
            generator.seed()
        given = self._context(None if context is None else _real(context))
        chances = torch.full((len(flows) + 1,), self.weight / len(flows), dtype=torch.float64)
        chances[-1] = 0.0 if self.floor is None else 1 - self.weight
        which = chances.multinomial(n, replacement=True, generator=generator) if n else torch.empty(0)
        z = torch.empty(n, self.features, dtype=torch.float64)
        for k, flow in enumerate(flows):
            rows = (which == k).nonzero()[:, 0]
            for part in rows.split(TILE):
                own = None if given is None else given[part]
                z[part] = flow.sample(len(part), own, temperature, generator).double()
        rows = (which < len(flows)).nonzero()[:, 0]
        y = torch.empty_like(z)
        y[rows] = preprocessing.inverse(z[rows])
        if self.floor is not None:
            rows = (which == len(flows)).nonzero()[:, 0]
            y[rows] = self.floor.sample(len(rows), temperature, generator)
        return y

    def _context(self, context: Tensor | None) -> Tensor | None:
        if (context is None) != (self.given is None):
            raise RheonError(
                "context is missing: this density was learned given one."
                if context is None
                else "context was given, but this density was learned without one."
            )
        return None if context is None or self.given is None else self.given.forward(context)[0].float()

    def config(self) -> dict[str, Any]:
        """Plain facts for config.json, from which with :meth:`tensors` ``from_files`` builds it again."""
        return self._saved.config()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return self._saved.tensors()

    @property
    def _saved(self) -> Saved:
        assert self.preprocessing is not None
        return Saved(self.fitted, self.preprocessing, self.given, self.floor, self.weight, self.log_det)

    def round_trip_error(self, y: Any) -> float:
        """max |f⁻¹(f(z)) - z| over the rows and flows, z as the flows are given it; without a context."""
        assert self.preprocessing is not None
        z = self.preprocessing.forward(_real(y))[0].float()
        with torch.no_grad():
            errors = [flow.from_latents(flow.latents(z)) - z for flow in self.fitted]
        return float(torch.stack(errors).abs().max())

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What :meth:`config` and :meth:`tensors` gave, read by ``storage.read_model``."""
        saved = Saved.read(config, tensors)
        self = cls(config["architecture"]["name"])
        self.flows, self.floor, self.weight = saved.flows, saved.floor, saved.weight
        self.preprocessing, self.given, self.log_det = saved.preprocessing, saved.given, saved.log_det
        return self


def _real(rows: Any) -> Tensor:
    """(N, D) float64; a copy of nothing that has this form already."""
    tensor = torch.as_tensor(rows, dtype=torch.float64)
    if tensor.dim() != 2:
        raise RheonError(f"rows must have shape (N, D), got {tuple(tensor.shape)}.")
    return tensor
