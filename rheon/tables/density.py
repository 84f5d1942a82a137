"""TableDensity: rows in their own units in, log-densities in those units and new rows out."""

import sys
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from torch import Tensor, nn

from rheon.density import Density, named
from rheon.errors import RheonError, whole
from rheon.tables.copies import OnDisk
from rheon.tables.drawing import draw_numbers, draw_table, numbers_of
from rheon.tables.editing import completed, read_toml
from rheon.tables.explaining import Explained, explain
from rheon.tables.flows import Architecture, check_name
from rheon.tables.imputed import Imputed, impute
from rheon.tables.member import flow_of
from rheon.tables.mixed import HEADS
from rheon.tables.numbers import Numbers
from rheon.tables.ordinary import Ordinary
from rheon.tables.reading import Table
from rheon.tables.roles import Roles
from rheon.tables.rows import RowDensity, density_of, new_density
from rheon.tables.schema import Schema
from rheon.tables.sizing import BATCH_SIZE, EMA_DECAY, LEARNING_RATE
from rheon.tables.streaming import StreamedTable, open_table
from rheon.training import Checkpoints, Record, Settings, Unit
from rheon.training.threads import lent_threads

_ORDINARY = 20_000
"""Training rows whose scores are kept as quantiles, at most."""

_QUANTILES = "ordinary.quantiles"


class TableDensity(Density):
    """The density of rows of numbers, categories and missing values, in the columns' own units.

        log p(row) = log p(c) + log p(y | c)

    c are the values of columns that have few, y the numbers of the others: see
    :class:`~rheon.tables.encoding.Encoding` for what goes where, :class:`~rheon.tables.mixed.Mixed` for the
    two factors, and :class:`~rheon.tables.continuous.Continuous` for tables of real numbers alone. The figure
    is a density per unit of columns of numbers, and a probability for the others. A change of units changes
    it by exactly the change's log-determinant.

    Numbers on a grid (whole numbers, tenths) are dequantised: their figure is a lower bound in expectation,
    tighter with more ``draws``. A value that is missing where no missing one was learned is summed out, or
    integrated out: exactly where one number is missing in a row, else by importance sampling, again a bound.
    A category that was never seen has the small probability of all such values together; a number off
    the grid counts as the nearest on it.

    Args:
        architecture: ``"tabular"``: flows that suit the table's size, and a mixture beside them. Or one flow:
            ``"spline"``, ``"realnvp"``, ``"nice"``, or any function of the number of columns D that returns
            a :class:`~rheon.Flow`, for tables of real numbers.
        schema: what the columns are: a :class:`Schema`, or the path of a TOML file that says it of some
            columns; guessed from the data unless given.
        given: names of columns that are given: p(the others | these). They are scored with, and are needed to
            draw samples.

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = TableDensity().fit(rows, steps=2)
    >>> model.log_prob(rows).shape, model.sample(5).shape
    ((200,), (5, 2))
    >>> table = {"age": [30, 41, 52, 28] * 10, "job": ["nurse", "cook", None, "cook"] * 10}
    >>> model = TableDensity().fit(pa.table(table), steps=2)
    >>> sorted(set(model.sample_table(100, seed=0)["age"].to_pylist()))
    [28, 30, 41, 52]
    """

    def __init__(
        self,
        architecture: str | Architecture = "tabular",
        schema: Schema | str | Path | None = None,
        given: Sequence[str] = (),
    ) -> None:
        super().__init__()
        check_name(architecture)
        self.architecture = architecture
        """What the flows are built by."""
        self._said = schema
        self.given = tuple(given)
        self.learned: RowDensity | None = None
        self.ordinary: Ordinary | None = None
        """How log p is distributed over training rows; None where a model's file does not say it."""
        self._roles: Roles | None = None

    @property
    def roles(self) -> Roles:
        """What the columns are to it; a :class:`~rheon.RheonError` before ``fit``."""
        if self._roles is None:
            raise RheonError("this TableDensity has learned nothing yet: call fit(data) first.")
        return self._roles

    @property
    def schema(self) -> Schema:
        """What all columns are, those that are left out too."""
        return self.roles.schema

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have, in the table's order."""
        return self.roles.columns

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns whose density it is."""
        return self.roles.targets.schema.names

    @property
    def plain(self) -> bool:
        """Whether it is a density of real numbers alone, and nothing is given."""
        return isinstance(self._model, Numbers)

    @property
    def parts(self) -> Sequence[nn.Module]:
        """What was trained: flows, or heads and flows."""
        return self._model.fitted

    def numbers(self, rows: Any) -> np.ndarray:
        """The numbers of rows, (N, D) float64, of a table of real numbers alone."""
        return self.roles.targets.encode(self.roles.read(rows).data).y

    @property
    def unit(self) -> Unit:
        return self._model.unit

    def settings(self, **changes: Any) -> Settings:
        defaults = {"batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "ema_decay": EMA_DECAY}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None, labels: Any = None
    ) -> Generator[Record, None, None]:
        if labels is not None:
            raise RheonError("labels are for images; of a table, name the column of the class in given=.")
        table = open_table(data)
        self._roles = Roles(self.schema_of(table), self.given)
        self.history = []
        self.info["settings"] = asdict(settings)
        if checkpoints is not None:
            checkpoints.identity |= self.roles.config()
        self.ordinary = None
        try:
            with closing(self._records(table, settings, checkpoints)) as records:
                for record in records:
                    if not self.history:
                        self._note_data(len(table))
                    self.history.append(record)
                    yield record
        finally:  # also where it is ended early: what it has learned is then the best so far
            if self.history and not sys.is_finalizing():
                with suppress(RheonError), lent_threads(1):  # rows that have no score have no quantiles
                    self.ordinary = Ordinary.of(self.log_prob(table.sample(_ORDINARY, settings.seed)))

    def schema_of(self, data: Any) -> Schema:
        """What training would take the columns of data to be."""
        table = open_table(data)
        if isinstance(table, StreamedTable):
            if self._said is not None:
                raise RheonError(
                    "a schema is for tables that fit into memory, and this one is streamed: without one, its "
                    "columns are what rheon finds; or store its columns as what they are to be"
                )
            return table.schema
        if isinstance(self._said, Schema):
            return self._said
        return completed([] if self._said is None else read_toml(Path(self._said)), table.data)

    def targets_of(self, schema: Schema) -> Schema:
        """The columns of a schema whose density is learned: all that are modelled and not given."""
        return Schema(tuple(c for c in schema.modelled if c.name not in self.given))

    def log_prob(self, rows: Any, *, draws: int = 1, seed: int = 0) -> np.ndarray:
        """log p of each row, (N,) float64, in nats, per product of the continuous columns' units.

        ``draws`` and ``seed`` are of the noise of numbers on a grid, and of unknown numbers.
        """
        draws, seed = whole("draws", draws, 1), whole("seed", seed, 0)
        model, table = self._model, self.roles.read(rows)
        scores = model.log_prob(*self.roles.encode(table), draws, seed)
        bad = np.flatnonzero(np.isnan(scores))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} rows; the first is row {bad[0] + 1}."
            )
        return scores

    def sample(self, n: int, *, temperature: float = 1.0, seed: int | None = None) -> np.ndarray:
        """n new rows of numbers, (n, D) float64, NaN where missing; fresh ones without a seed.

        Raises:
            RheonError: some column is not of numbers: ``sample_table`` gives rows with their own types.
        """
        if self.plain:
            return draw_numbers(self._model, whole("n", n, 0), temperature, seed)
        return numbers_of(self.sample_table(n, temperature=temperature, seed=seed))

    def sample_table(
        self, n: int, *, given: Any = None, temperature: float = 1.0, seed: int | None = None
    ) -> pa.Table:
        """n new rows with the columns' own types, steps, bounds and categories; missing values are nulls.

        Of a conditional model, one for each row of ``given``, of which there must be n.
        """
        return draw_table(self._model, self.roles, whole("n", n, 0), given, temperature, seed)

    def impute(self, rows: Any, *, draws: int = 1, seed: int = 0) -> Imputed:
        """The rows with their missing cells drawn from p(what is missing | what is there), ``draws`` times.

        What is there stays as it is. A cell is drawn as what would be there: missing is none of its values,
        even where missing ones were learned. Where nothing but categories and one number is missing in a row
        the draw is exact; else it is one of many by importance, of which ``effective`` tells how many count.

        >>> rows = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = TableDensity().fit(rows, steps=2)
        >>> model.impute([[0.5, np.nan], [0.5, 1.0]]).effective.tolist()
        [inf, nan]
        """
        draws, seed = whole("draws", draws, 1), whole("seed", seed, 0)
        return impute(self._model, self.roles, rows, draws, seed)

    def percentile(self, log_prob: np.ndarray) -> np.ndarray:
        """The share of training rows that score as low or lower, in percent, (N,) float32."""
        return self._ordinary.percentile(log_prob)

    def threshold(self, contamination: float = 0.01) -> float:
        """The log p below which this share of training rows lie: rows below it are anomalies."""
        return self._ordinary.threshold(contamination)

    def explain(self, rows: Any, *, columns: int = 3, seed: int = 0) -> Explained:
        """For each row the cells that are the least to be expected given the others in it.

        >>> rows = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = TableDensity().fit(rows, steps=2)
        >>> model.explain([[0.0, 9.0]]).columns[0].tolist()
        ['x1', 'x0']
        """
        columns, seed = whole("columns", columns, 1), whole("seed", seed, 0)
        return explain(self._model, self.roles, rows, columns, seed)

    def is_bound(self, rows: Any) -> np.ndarray:
        """For each row whether its log_prob is a bound and not exact, (N,) bool."""
        encoding = self.roles.targets
        encoded = encoding.encode(self.roles.read(rows).data)
        on_grid = ~np.isnan(encoded.y[:, encoding.on_grid])
        return on_grid.any(1) | (encoded.holes.sum(1) > 1)

    def round_trip_error(self, rows: Any) -> float:
        """max |f⁻¹(f(z)) - z| over the rows and flows, z the rows as the flows are given them."""
        table = self.roles.read(rows)
        return self._model.round_trip_error(*self.roles.encode(table))

    def _records(
        self, table: Table | StreamedTable, settings: Settings, checkpoints: Checkpoints | None
    ) -> Generator[Record, None, None]:
        roles = self.roles
        model = self.learned = new_density(roles, self.architecture)
        if isinstance(model, Numbers):
            y = table if isinstance(table, StreamedTable) else roles.targets.encode(table.data)
            return model.training(y, None, settings, checkpoints)
        on_disk = None
        if isinstance(table, StreamedTable):
            learn, judge = table.split(0.1, settings.seed)
            on_disk = OnDisk(learn, roles.encode, len(judge))
            some = learn.sample(len(learn), settings.seed)
            table = Table(pa.concat_tables((some.data, judge.data)))
        roles.learn_features(table)
        return model.training(*roles.encode(table), settings, checkpoints, on_disk)

    def _note_data(self, n: int) -> None:
        model = self._model
        self.flow = next(iter(model.flows), None)
        self.info["data"] = {
            "description": f"{n} rows of {len(self.columns)} columns",
            "training_rows": model.rows[0],
            "validation_rows": model.rows[1],
            "left_out": [[c.name, c.note or c.kind] for c in self.schema.columns if not c.modelled],
        }

    @property
    def _ordinary(self) -> Ordinary:
        self._model  # noqa: B018 - refuses before fit
        if self.ordinary is None:
            raise RheonError("this model does not say how its training rows scored: fit it anew for that.")
        return self.ordinary

    @property
    def _model(self) -> RowDensity:
        if self.learned is None:
            raise RheonError("this TableDensity has learned nothing yet: call fit(data) first.")
        return self.learned

    def _architecture(self) -> dict[str, Any]:
        flows = self._model.flows
        names = [named(flow, lambda recipe: flow_of(recipe.name, recipe.arguments)) for flow in flows]
        return names[0] if names else {"name": HEADS, "arguments": {}}

    def _config(self) -> dict[str, Any]:
        return {"kind": "table", **self.roles.config(), **self._model.config()}

    def _tensors(self) -> dict[str, Tensor]:
        own = {} if self.ordinary is None else {_QUANTILES: self.ordinary.quantiles}
        return {**self._model.tensors(), **self.roles.tensors(), **own}

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        quantiles = tensors.pop(_QUANTILES, None)
        roles = Roles.from_files(config, tensors)
        model = cls(given=roles.given)
        model.ordinary = None if quantiles is None else Ordinary(quantiles)
        model._roles = roles
        model.learned = density_of(roles, config, tensors)
        if isinstance(model.learned, Numbers):
            model.architecture = model.learned.continuous.architecture
        model.flow = next(iter(model.learned.flows), None)
        return model
