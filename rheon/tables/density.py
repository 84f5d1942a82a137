"""TableDensity: rows in their own units in, log-densities in those units and new rows out."""

from collections.abc import Callable, Generator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rheon.architectures import ARCHITECTURES, build
from rheon.bijections import Standardise
from rheon.datasets import random_split
from rheon.density import Density
from rheon.errors import DataError, ModelError, RheonError
from rheon.flow import Flow, Recipe
from rheon.storage import load_module
from rheon.tables.reading import read_table
from rheon.training import Checkpoints, Record, Rows, Settings

Architecture = Callable[[int], Flow]


class TableDensity(Density):
    """The density of rows of continuous columns, per product of the columns' own units.

    A flow is trained on z = (x - m) / s, m and s the mean and standard deviation of the training rows, and

        log p(x) = log p_flow(z) - Σ log s,

    the standardisation and its log-determinant in float64, so that neither a shift of 1e9 nor a unit of
    1e-9 costs digits. A change of units changes log p by exactly the change's log-determinant.

    Args:
        architecture: ``"spline"``, ``"realnvp"``, ``"nice"``, a name from ``rheon.architectures``, or any
            function of the number of columns D that returns a :class:`~rheon.Flow`.

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = TableDensity().fit(rows, steps=2)
    >>> model.log_prob(rows).shape, model.sample(5).shape
    ((200,), (5, 2))
    """

    tile = 2048

    def __init__(self, architecture: str | Architecture = "spline") -> None:
        super().__init__()
        self.architecture = architecture
        if isinstance(architecture, str):
            check_named(architecture)
        self.columns: tuple[str, ...] = ()
        self.dtypes: tuple[str, ...] = ()
        self.standardise: Standardise | None = None

    def settings(self, **changes: Any) -> Settings:
        defaults = {"batch_size": 256, "learning_rate": 5e-3, "ema_decay": 0.995}
        return Settings(**{**defaults, **changes})

    def training(
        self, data: Any, settings: Settings, checkpoints: Checkpoints | None = None
    ) -> Generator[Record, None, None]:
        table = read_table(data)
        n, columns = table.values.shape
        if n < 20:
            raise DataError(
                f"table: {n} rows are too few to learn a density from and to validate it; give at least 20."
            )
        rows, held_out = random_split(n, 0.1, settings.seed)
        x = torch.from_numpy(table.values)
        std, mean = torch.std_mean(x[rows], 0, correction=0)
        if not bool((std > 0).all()):
            column = table.columns[int((std == 0).nonzero()[0])]
            raise DataError(f"column {column!r} does not vary among the training rows; leave it out.")
        self.standardise = Standardise(mean, std)
        self.columns, self.dtypes = table.columns, table.dtypes
        self.flow = self._build(columns, settings.seed)
        self.info["data"] = {
            "description": f"{n} rows of {columns} columns",
            "training_rows": len(rows),
            "validation_rows": len(held_out),
            "left_out": [list(pair) for pair in table.dropped],
        }
        z = self.standardise(x)[0].float()
        yield from self._train(
            Rows(z[rows], columns=table.columns), Rows(z[held_out]), settings, checkpoints, table.values
        )

    def log_prob(self, rows: Any) -> np.ndarray:
        """log p of each row, (N,) float64, in nats, per product of the columns' units."""
        x = torch.from_numpy(self._read(rows))
        standardise = self._standardise
        z, log_det = standardise(x)
        scores = self._score(lambda part: z[part].float(), len(x)) + log_det.numpy()
        bad = np.flatnonzero(np.isnan(scores))
        if len(bad):
            raise RheonError(
                f"log_prob: the flow gave no number for {len(bad)} rows; the first is row {bad[0] + 1}."
            )
        return scores

    def sample(self, n: int, *, temperature: float = 1.0, seed: int | None = None) -> np.ndarray:
        """n new rows, (n, D) float64, in the columns' own units and order; fresh ones without a seed."""
        x, _ = self._standardise.inverse(self._draw(n, temperature, seed).double())
        return x.numpy()

    def round_trip_error(self, rows: Any) -> float:
        """max |f⁻¹(f(z)) - z| over the rows, in standard deviations of the columns."""
        z, _ = self._standardise(torch.from_numpy(self._read(rows)))
        z = z.float()
        with torch.no_grad():
            back, _ = self.fitted.bijection.inverse(self.fitted.bijection(z)[0])
        return float((back - z).abs().max())

    def _build(self, columns: int, seed: int) -> Flow:
        """The untrained flow; a function of the user's own decides its initial weights itself."""
        if isinstance(self.architecture, str):
            return ARCHITECTURES[_SHORT.get(self.architecture, self.architecture)](columns, seed=seed)
        flow = self.architecture(columns)
        if not isinstance(flow, Flow):
            raise RheonError(f"architecture must return a rheon.Flow, it returned a {type(flow).__name__}.")
        return flow

    @property
    def _standardise(self) -> Standardise:
        self.fitted  # noqa: B018 - refuses before fit
        assert self.standardise is not None
        return self.standardise

    def _read(self, rows: Any) -> np.ndarray:
        self.fitted  # noqa: B018 - refuses before fit
        return read_table(rows, columns=self.columns).values

    def _from_recipe(self, recipe: Recipe) -> Flow:
        return build(recipe.name, recipe.arguments)

    def _config(self) -> dict[str, Any]:
        return {"kind": "table", "schema": {"columns": list(self.columns), "dtypes": list(self.dtypes)}}

    def _tensors(self) -> dict[str, Tensor]:
        standardise = self._standardise
        return {**super()._tensors(), "mean": standardise.mean, "scale": standardise.scale}

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """What ``save`` wrote, read by ``storage.read_model``."""
        try:
            name, arguments = config["architecture"]["name"], config["architecture"]["arguments"]
            columns, dtypes = tuple(config["schema"]["columns"]), tuple(config["schema"]["dtypes"])
            mean, scale = tensors.pop("mean"), tensors.pop("scale")
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        if name not in _FOR_TABLES:
            raise ModelError(
                f"config.json names the architecture {name!r}, which this rheon has not for tables."
            )
        if len(columns) != len(dtypes):
            raise ModelError(f"config.json names {len(columns)} columns and {len(dtypes)} types.")
        model = cls(name)
        model.columns, model.dtypes = columns, dtypes
        if mean.shape != (len(columns),) or mean.dtype != torch.float64 or scale.dtype != torch.float64:
            raise ModelError("mean and scale must be float64, one number for each column.")
        model.standardise = Standardise(mean, scale)
        weights = {key.removeprefix("flow."): tensor for key, tensor in tensors.items()}
        model.flow = load_module(lambda: model._from_recipe(Recipe(name, arguments)), weights).eval()
        if tuple(model.fitted.event_shape) != (len(columns),):
            raise ModelError(f"config.json names {len(columns)} columns, the flow takes another number.")
        return model


_SHORT = {"spline": "spline_coupling"}

_FOR_TABLES = ("nice", "realnvp", "spline_coupling")


def check_named(name: str) -> None:
    """Refuses a name that stands for no architecture of tables."""
    if _SHORT.get(name, name) not in _FOR_TABLES:
        known = ", ".join((*_SHORT, *_FOR_TABLES))
        raise RheonError(f"architecture {name!r} is not known for tables; there are {known}.")
