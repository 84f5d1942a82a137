"""What the estimators share: settings as scikit-learn wants them, and the density that ``fit`` leaves."""

import numbers
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from rheon.errors import DataError
from rheon.tables.continuous import LEAST, Continuous
from rheon.tables.flows import Architecture
from rheon.tables.sizing import BATCH_SIZE, EMA_DECAY, LEARNING_RATE
from rheon.training import Settings

Array = NDArray[np.float64]

_NARROW = 1e-3
"""Standard deviation of a column that does not vary: what GaussianMixture's reg_covar gives it."""


class Learned:
    """The density that ``fit`` leaves in an estimator: of columns that vary, and of those that do not.

    A column that does not vary is independent of the others and normal about its value, with the standard
    deviation 1e-3. A copy, or what another process is sent, is made from arrays and from the names and
    arguments of the architectures.
    """

    def __init__(self, rows: Array, settings: Settings, architecture: str | Architecture = "tabular") -> None:
        self.varies, self.values = varying(rows), rows[0].copy()
        self.continuous = Continuous(architecture)
        for _ in self.continuous.training(rows[:, self.varies], None, settings):
            pass

    def log_prob(self, rows: Array) -> Array:
        """log p of rows (N, D): (N,)."""
        scores = self.continuous.log_prob(rows[:, self.varies]).numpy()
        z = self.unvarying(rows)
        return scores - (z**2 / 2 + np.log(_NARROW) + np.log(2 * np.pi) / 2).sum(1)

    def sample(self, n: int, generator: torch.Generator) -> Array:
        """n rows, (n, D)."""
        rows = np.tile(self.values, (n, 1))
        rows[:, self.varies] = self.continuous.sample(n, generator=generator).numpy()
        noise = torch.randn(n, int((~self.varies).sum()), dtype=torch.float64, generator=generator)
        rows[:, ~self.varies] += _NARROW * noise.numpy()
        return rows

    def unvarying(self, rows: Array) -> Array:
        """(x - value) / 1e-3 of the columns that do not vary."""
        return (rows[:, ~self.varies] - self.values[~self.varies]) / _NARROW

    def restored(self, z: Array) -> Array:
        """What ``unvarying`` was given."""
        return self.values[~self.varies] + _NARROW * z

    def __getstate__(self) -> dict[str, Any]:
        tensors = {name: tensor.numpy() for name, tensor in self.continuous.tensors().items()}
        state = {"config": self.continuous.config(), "tensors": tensors}
        return {"varies": self.varies, "values": self.values, **state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.varies, self.values = state["varies"], state["values"]
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in state["tensors"].items()}
        self.continuous = Continuous.from_files(state["config"], tensors)


class FlowEstimator(BaseEstimator):
    """Parameters and checks that the estimators share."""

    def __init__(
        self,
        *,
        steps: int = 500,
        minutes: float | None = None,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = LEARNING_RATE,
        random_state: Any = None,
    ) -> None:
        self.steps = steps
        self.minutes = minutes
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def _settings(self) -> Settings:
        return Settings(
            steps=None if self.minutes is not None else int(self.steps),
            minutes=self.minutes,
            batch_size=int(self.batch_size),
            learning_rate=float(self.learning_rate),
            ema_decay=EMA_DECAY,
            seed=seed_of(self.random_state),
            threads=1,
        )

    def _learn_from(self, x: Any) -> Array:
        return validate_data(self, x, dtype=np.float64, ensure_min_samples=LEAST)

    def _rows(self, x: Any) -> Array:
        check_is_fitted(self)
        return validate_data(self, x, dtype=np.float64, reset=False)


def varying(rows: Array) -> NDArray[np.bool_]:
    """Which columns vary, (D,).

    Raises:
        DataError: none does.
    """
    varies = (rows != rows[:1]).any(0)
    if not varies.any():
        raise DataError(f"no column varies among the {len(rows)} rows; a density needs one that does.")
    return varies


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn calls a random state; a fresh one from None."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def generator_of(random_state: Any) -> torch.Generator:
    """The same, as a generator."""
    return torch.Generator().manual_seed(seed_of(random_state))
