"""TableDensity: rows in their own units in, log-densities in those units and new rows out."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rheon.architectures import build
from rheon.density import Density
from rheon.errors import ModelError, RheonError, whole
from rheon.flow import Flow, Recipe
from rheon.tables.continuous import Architecture, Continuous
from rheon.tables.reading import read_table
from rheon.tables.streaming import StreamedTable, open_table
from rheon.training import Checkpoints, Record, Settings, Unit


class TableDensity(Density):
    """The density of rows of continuous columns, per product of the columns' own units.

    A change of units changes log p by exactly the change's log-determinant, also where the model is fitted
    anew: see :class:`~rheon.tables.continuous.Continuous`.

    Args:
        architecture: ``"tabular"``: flows that suit the table's size, and a mixture beside them. Or one flow:
            ``"spline"``, ``"realnvp"``, ``"nice"``, or any function of the number of columns D that returns
            a :class:`~rheon.Flow`.

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = TableDensity().fit(rows, steps=2)
    >>> model.log_prob(rows).shape, model.sample(5).shape
    ((200,), (5, 2))
    """

    def __init__(self, architecture: str | Architecture = "tabular") -> None:
        super().__init__()
        self.continuous = Continuous(architecture)
        self.columns: tuple[str, ...] = ()
        self.dtypes: tuple[str, ...] = ()

    @property
    def architecture(self) -> str | Architecture:
        """What the flows are built by."""
        return self.continuous.architecture

    @property
    def unit(self) -> Unit:
        return self.continuous.unit

    def settings(self, **changes: Any) -> Settings:
        defaults = {"batch_size": 256, "learning_rate": 5e-3, "ema_decay": 0.995}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None
    ) -> Generator[Record, None, None]:
        table = open_table(data)
        rows = table if isinstance(table, StreamedTable) else table.values
        self.columns, self.dtypes = table.columns, table.dtypes
        if checkpoints is not None:
            checkpoints.identity["schema"] = self._schema()
        self.history = []
        self.info["settings"] = asdict(settings)
        with closing(self.continuous.training(rows, None, settings, checkpoints)) as records:
            for record in records:
                if not self.history:
                    self._note_data(table.dropped, (len(table), len(table.columns)))
                self.history.append(record)
                yield record

    def _note_data(self, dropped: Any, shape: tuple[int, ...]) -> None:
        self.flow = self.continuous.fitted[0]
        self.info["data"] = {
            "description": f"{shape[0]} rows of {shape[1]} columns",
            "training_rows": self.continuous.rows[0],
            "validation_rows": self.continuous.rows[1],
            "left_out": [list(pair) for pair in dropped],
        }

    def log_prob(self, rows: Any) -> np.ndarray:
        """log p of each row, (N,) float64, in nats, per product of the columns' units."""
        scores = self.continuous.log_prob(self._read(rows)).numpy()
        bad = np.flatnonzero(np.isnan(scores))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} rows; the first is row {bad[0] + 1}."
            )
        return scores

    def sample(self, n: int, *, temperature: float = 1.0, seed: int | None = None) -> np.ndarray:
        """n new rows, (n, D) float64, in the columns' own units and order; fresh ones without a seed."""
        self.fitted  # noqa: B018 - refuses before fit
        generator = torch.Generator()
        if seed is None:
            generator.seed()  # fresh entropy: the global generator is the caller's
        else:
            generator.manual_seed(whole("seed", seed, 0))
        rows = self.continuous.sample(whole("n", n, 0), None, temperature, generator)
        if not bool(torch.isfinite(rows).all()):
            raise RheonError("sample: the flow gave values that are not finite; try a lower temperature.")
        return rows.numpy()

    def round_trip_error(self, rows: Any) -> float:
        """max |f⁻¹(f(z)) - z| over the rows and flows, z the rows as the flows are given them."""
        return self.continuous.round_trip_error(self._read(rows))

    def _read(self, rows: Any) -> np.ndarray:
        self.fitted  # noqa: B018 - refuses before fit
        return read_table(rows, columns=self.columns).values

    def _from_recipe(self, recipe: Recipe) -> Flow:
        return build(recipe.name, recipe.arguments)

    def _schema(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "dtypes": list(self.dtypes)}

    def _config(self) -> dict[str, Any]:
        return {"kind": "table", "schema": self._schema(), **self.continuous.config()}

    def _tensors(self) -> dict[str, Tensor]:
        return self.continuous.tensors()

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        try:
            columns, dtypes = tuple(config["schema"]["columns"]), tuple(config["schema"]["dtypes"])
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        if len(columns) != len(dtypes):
            raise ModelError(f"config.json names {len(columns)} columns and {len(dtypes)} types.")
        model = cls()
        model.columns, model.dtypes = columns, dtypes
        model.continuous = Continuous.from_files(config, tensors)
        if model.continuous.features != len(columns):
            raise ModelError(f"config.json names {len(columns)} columns, the flow takes another number.")
        model.flow = model.continuous.fitted[0]
        return model
