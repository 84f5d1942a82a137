"""TableDensity: rows in their own units in, log-densities in those units and new rows out."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rheon.density import Density, named
from rheon.errors import DataError, ModelError, RheonError, whole
from rheon.tables.completing import Completing
from rheon.tables.continuous import Architecture, Continuous
from rheon.tables.editing import completed, read_toml
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.features import Features
from rheon.tables.margins import Margins
from rheon.tables.member import flow_of
from rheon.tables.mixed import DRAWS, HEADS, Mixed
from rheon.tables.reading import Table, read_table
from rheon.tables.schema import Column, Schema
from rheon.tables.streaming import StreamedTable, open_table
from rheon.training import Checkpoints, Record, Settings, Unit


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
        self._continuous = Continuous(architecture)  # refuses a name that it does not know
        self._said = schema
        self.given = tuple(given)
        self.schema = Schema(())
        """What all columns are, those that are left out too."""
        self.learned: Continuous | Mixed | None = None
        self._encoding = Encoding(Schema(()))
        self._encoding_given = Encoding(Schema(()))
        self._features: Features | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have, in the table's order."""
        return tuple(c.name for c in self.schema.columns if c.modelled or c.name in self.given)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns whose density it is."""
        return self._encoding.schema.names

    @property
    def plain(self) -> bool:
        """Whether it is a density of real numbers alone, and nothing is given."""
        return isinstance(self._model, Continuous)

    @property
    def parts(self) -> Sequence[nn.Module]:
        """What was trained: flows, or heads and flows."""
        return self._model.fitted

    def numbers(self, rows: Any) -> np.ndarray:
        """The numbers of rows, (N, D) float64, of a table of real numbers alone."""
        return self._encoding.encode(self._read(rows).data).y

    @property
    def architecture(self) -> str | Architecture:
        """What the flows are built by."""
        return self._continuous.architecture

    @property
    def unit(self) -> Unit:
        return self._model.unit

    def settings(self, **changes: Any) -> Settings:
        defaults = {"batch_size": 512, "learning_rate": 1e-2, "ema_decay": 0.995}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None, labels: Any = None
    ) -> Generator[Record, None, None]:
        if labels is not None:
            raise RheonError("labels are for images; of a table, name the column of the class in given=.")
        table = open_table(data)
        self._take_schema(self.schema_of(table))
        self.history = []
        self.info["settings"] = asdict(settings)
        if checkpoints is not None:
            checkpoints.identity |= {"schema": self.schema.as_list(), "given": list(self.given)}
        with closing(self._records(table, settings, checkpoints)) as records:
            for record in records:
                if not self.history:
                    self._note_data(len(table))
                self.history.append(record)
                yield record

    def schema_of(self, data: Any) -> Schema:
        """What training would take the columns of data to be."""
        table = open_table(data)
        if isinstance(table, StreamedTable):
            if self._said is not None or self.given:
                raise RheonError("a schema, and columns that are given, are for tables that fit into memory.")
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
        model, table = self._model, self._read(rows)
        encoded = self._encoding.encode(table.data)
        if isinstance(model, Continuous):
            scores = self._log_prob_of_numbers(model, encoded, draws, seed)
        else:
            scores = model.log_prob(encoded, self._given_of(table), draws, seed)
        bad = np.flatnonzero(np.isnan(scores))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} rows; the first is row {bad[0] + 1}."
            )
        return scores

    def _log_prob_of_numbers(
        self, model: Continuous, rows: Encoded, draws: int, seed: int
    ) -> NDArray[np.float64]:
        open_ = np.flatnonzero(~rows.complete)
        scores = model.log_prob(np.where(rows.holes, 0.0, rows.y)).numpy()
        if len(open_):
            assert model.preprocessing is not None
            margins = Margins.of(model.preprocessing)
            completing = Completing(self._encoding, margins, rows.take(open_), draws, seed)
            scores[open_] = completing.log_sum(lambda codes, y, of: model.log_prob(y).numpy())
        return scores

    def sample(self, n: int, *, temperature: float = 1.0, seed: int | None = None) -> np.ndarray:
        """n new rows of numbers, (n, D) float64, NaN where missing; fresh ones without a seed.

        Raises:
            RheonError: some column is not of numbers: ``sample_table`` gives rows with their own types.
        """
        if isinstance(self._model, Continuous):
            return self._draw_numbers(self._model, whole("n", n, 0), temperature, _generator(seed))
        table = self.sample_table(n, temperature=temperature, seed=seed)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                raise RheonError(f"sample: column {name!r} is not of numbers; sample_table gives such rows.")
        columns = [column.cast(pa.float64()).to_numpy() for column in table.columns]
        return np.stack(columns, 1)

    def sample_table(
        self, n: int, *, given: Any = None, temperature: float = 1.0, seed: int | None = None
    ) -> pa.Table:
        """n new rows with the columns' own types, steps, bounds and categories; missing values are nulls.

        Of a conditional model, one for each row of ``given``, of which there must be n.
        """
        model, n = self._model, whole("n", n, 0)
        table = None
        if self.given:
            if given is None:
                raise RheonError(f"sample: what is given is needed: rows with {', '.join(self.given)}.")
            table = read_table(given).require(self.given)
            if len(table) != n:
                raise RheonError(f"sample: {n} rows are asked for, and {len(table)} are given.")
        generator = _generator(seed)
        if isinstance(model, Continuous):
            y = self._draw_numbers(model, n, temperature, generator)
            codes = np.empty((n, 0), dtype=np.int64)
        else:
            known = None if table is None else self._given_of(table)
            codes, y = model.sample(n, known, temperature, generator)
        _check_finite(y)
        drawn = self._encoding.decode(codes, y)
        columns = {name: drawn[name] for name in drawn.column_names}
        if table is not None:
            columns |= {name: table.data[name] for name in self.given}
        return pa.table({name: columns[name] for name in self.columns})

    def _draw_numbers(
        self, model: Continuous, n: int, temperature: float, generator: torch.Generator
    ) -> NDArray[np.float64]:
        """Draws within the columns' bounds: others are drawn again."""
        y = model.sample(n, None, temperature, generator).numpy()
        for _ in range(DRAWS):
            bad = np.flatnonzero(~(self._encoding.within(y) & ~np.isnan(y)).all(1))
            if not len(bad):
                break
            y[bad] = model.sample(len(bad), None, temperature, generator).numpy()
        return _check_finite(y)

    def is_bound(self, rows: Any) -> np.ndarray:
        """For each row whether its log_prob is a bound and not exact, (N,) bool."""
        encoded = self._encoding.encode(self._read(rows).data)
        on_grid = self._encoding.on_grid & ~np.isnan(encoded.y)
        return on_grid.any(1) | (encoded.holes.sum(1) > 1)

    def round_trip_error(self, rows: Any) -> float:
        """max |f⁻¹(f(z)) - z| over the rows and flows, z the rows as the flows are given them."""
        table = self._read(rows)
        encoded = self._encoding.encode(table.data)
        if isinstance(self._model, Continuous):
            return self._model.round_trip_error(encoded.y)
        return self._model.round_trip_error(encoded, self._given_of(table))

    def _take_schema(self, schema: Schema) -> None:
        for name in self.given:
            if not schema[name].modelled:
                raise DataError(f"column {name!r} cannot be given: it is {schema[name].range}")
        self.schema = schema
        targets = Schema(tuple(c for c in schema.columns if c.name not in self.given))
        if not targets.modelled:
            reasons = "; ".join(f"{c.name!r}: {c.note or c.kind}" for c in targets.columns[:8])
            raise DataError(f"no column is left to learn ({reasons}); a density needs at least one")
        self._encoding, self._encoding_given = Encoding(targets), Encoding(schema.pick(self.given))

    def _records(
        self, table: Table | StreamedTable, settings: Settings, checkpoints: Checkpoints | None
    ) -> Generator[Record, None, None]:
        if isinstance(table, StreamedTable):
            self.learned = self._continuous
            return self._continuous.training(table, None, settings, checkpoints)
        rows = self._encoding.encode(table.data)
        if self._encoding.schema.plain and not self.given:
            self.learned = self._continuous
            return self._continuous.training(rows.y, None, settings, checkpoints)
        architecture = self.architecture
        if not isinstance(architecture, str):
            raise RheonError(
                "an architecture of your own is for tables of real numbers alone; this one has other "
                "columns, missing values or columns that are given: take one by name"
            )
        if self.given:
            known = self._encoding_given.encode(table.data)
            self._features = Features.fit(self._encoding_given, known.codes, known.y)
        self.learned = mixed = Mixed(self._encoding, architecture)
        return mixed.training(rows, self._given_of(table), settings, checkpoints)

    def _note_data(self, n: int) -> None:
        model = self._model
        self.flow = model.fitted[0] if isinstance(model, Continuous) else model.fitted[0].flow
        self.info["data"] = {
            "description": f"{n} rows of {len(self.columns)} columns",
            "training_rows": model.rows[0],
            "validation_rows": model.rows[1],
            "left_out": [[c.name, c.note or c.kind] for c in self.schema.columns if not c.modelled],
        }

    def _read(self, rows: Any) -> Table:
        self._model  # noqa: B018 - refuses before fit
        table = read_table(rows)
        if not table.named and len(table.columns) == len(self.schema.columns):  # those left out, too
            table = table.require([column.name for column in self.schema.columns])
        return table.require(self.columns)

    def _given_of(self, table: Table) -> Tensor | None:
        """The features of what is given, (N, M)."""
        if not self.given:
            return None
        assert self._features is not None
        known = self._encoding_given.encode(table.data)
        open_ = np.flatnonzero(~known.complete)
        if len(open_):
            raise DataError(
                f"{len(open_)} rows lack a value of what is given, the first of them row {open_[0] + 1}, and "
                "none was missing in training: remove or fill them"
            )
        return self._features.of(known.codes, known.y)

    @property
    def _model(self) -> Continuous | Mixed:
        if self.learned is None:
            raise RheonError("this TableDensity has learned nothing yet: call fit(data) first.")
        return self.learned

    def _architecture(self) -> dict[str, Any]:
        model = self._model
        flows = model.fitted if isinstance(model, Continuous) else [m.flow for m in model.fitted if m.flow]
        names = [named(flow, lambda recipe: flow_of(recipe.name, recipe.arguments)) for flow in flows]
        return names[0] if names else {"name": HEADS, "arguments": {}}

    def _config(self) -> dict[str, Any]:
        return {
            "kind": "table",
            "schema": self.schema.as_list(),
            "given": list(self.given),
            **self._model.config(),
        }

    def _tensors(self) -> dict[str, Tensor]:
        known = {} if self._features is None else self._features.tensors()
        return {**self._model.tensors(), **{f"known.{name}": tensor for name, tensor in known.items()}}

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        given = config.get("given", [])
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise ModelError("config.json must give the names of the columns that are given.")
        try:
            schema = Schema.from_list(_of_this_version(config["schema"]))
            model = cls(given=given)
            model._take_schema(schema)
        except KeyError as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        except ModelError:
            raise
        except RheonError as error:
            raise ModelError(f"config.json: {error}") from None
        known = {name: tensors.pop(name) for name in list(tensors) if name.startswith("known.")}
        if given:
            own = {name.removeprefix("known."): tensor for name, tensor in known.items()}
            model._features = Features.from_tensors(own, model._encoding_given)
        if "heads_width" in config:
            model.learned = mixed = Mixed.from_files(model._encoding, config, tensors)
            if mixed.given != (model._features.width if model._features else 0):
                raise ModelError("the features of what is given are not as many as the flow takes.")
            model.flow = mixed.fitted[0].flow
        else:
            model.learned = model._continuous = Continuous.from_files(config, tensors)
            if not model._encoding.schema.plain or given or model._continuous.features != len(model.columns):
                raise ModelError("config.json names other columns than those that the flow takes.")
            model.flow = model._continuous.fitted[0]
        return model


def _check_finite(y: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.isinf(y).any():
        raise RheonError("sample: the flow gave values that are not finite; try a lower temperature.")
    return y


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()  # fresh entropy: the global generator is the caller's
    else:
        generator.manual_seed(whole("seed", seed, 0))
    return generator


def _of_this_version(schema: Any) -> Any:
    """The columns; version 0.1 had names and types, and all were continuous."""
    if not isinstance(schema, dict):
        return schema
    names, types = schema["columns"], schema["dtypes"]
    if not isinstance(names, list) or not isinstance(types, list) or len(names) != len(types):
        raise ModelError("config.json must give as many names of columns as types.")
    of_arrow = {"float64": "double", "float32": "float", "float16": "halffloat"}
    columns = [Column(name, "continuous", of_arrow.get(t, t)) for name, t in zip(names, types, strict=True)]
    return Schema(tuple(columns)).as_list()
