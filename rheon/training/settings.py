"""Everything about a training run that a person may choose, in one small frozen dataclass.

Shares (``warmup``, ``validate_every``, ``patience``) are shares of the budget, so that the same settings make
sense for ten seconds and for ten hours.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from rheon.errors import RheonError, hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train. The defaults suit small networks on a CPU; without steps or minutes it is 2 minutes.

    Args:
        steps: budget in optimiser steps (reproducible: same seed and number of threads, same bits), in place
            of minutes.
        minutes: budget in minutes of wall time, which can end sooner where nothing gets better.
        batch_size: rows per step (all rows, where there are fewer).
        accumulate: number of pieces in which a batch goes through the flow, one after the other, so that only
            a piece must fit into memory; the gradient is that of the whole batch, unless a layer takes
            statistics of what it is given (``BatchNorm``).
        memory: what is kept for the backward pass. "store": everything. "checkpoint": the inputs of layers,
            which are computed twice. "invert": x and z, from which the inverses rebuild the rest, so that the
            peak of memory does not grow with the number of couplings (see :mod:`rheon.memory`).
        precision: "float32", or "bfloat16" for the conditioners in training alone; z, log-determinant, loss,
            weights and everything that is validated or kept stay in float32.
        compile: whether training goes by ``torch.compile``, which takes a minute at first; without a compiler
            it is told so and done as usual.
        learning_rate: its peak, after warm-up.
        warmup: share of the budget in which the rate rises from zero.
        weight_decay: of AdamW, decoupled.
        betas: of AdamW.
        clip: largest norm of a gradient, in multiples of the usual one (a running average): one value suits
            all flows and data. None: no clipping.
        ema_decay: of the averaged weights, which are the ones that are validated and kept; 0: no averaging.
        validate_every: share of the budget between validations.
        patience: share of the budget without a better validation that ends training; None: never.
        seed: of everything that is random.
        threads: number of CPU threads, or "auto": measured before the first step.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or one of several, "cuda:1". The flow is moved
            there and back again. A run may go on on another device, though not to the same bits.

    Raises:
        RheonError: a value is out of range, or both steps and minutes are given.

    >>> from rheon.training import Settings
    >>> Settings(steps=1000, learning_rate=1e-3).warmup
    0.05
    >>> Settings().minutes
    2.0
    """

    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 256
    accumulate: int = 1
    memory: Literal["store", "checkpoint", "invert"] = "store"
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    learning_rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float | None = 3.0
    ema_decay: float = 0.999
    validate_every: float = 0.02
    patience: float | None = 0.3
    seed: int = 0
    threads: int | Literal["auto"] = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise RheonError(
                f"settings take steps or minutes, not both (steps={self.steps!r}, minutes={self.minutes!r}): "
                "set one of them to None"
            )
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "minutes", 2.0)
        if self.compile and self.memory != "store":
            raise RheonError(
                f"settings: compile=True and memory={self.memory!r} exclude each other, since a "
                "compiled flow itself decides what it keeps"
            )
        if isinstance(self.betas, list):  # as TOML and JSON bring it
            object.__setattr__(self, "betas", tuple(self.betas))
        for name, (holds, wanted) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise RheonError(f"settings: {name} must be {wanted}, not {value!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from a mapping (a TOML table, a model's record); a key that does not exist is refused.

        TOML has no None: the text "none" stands for it.

        >>> Settings.from_dict({"steps": 10, "bach_size": 64})
        Traceback (most recent call last):
        rheon.errors.RheonError: settings have no 'bach_size': did you mean 'batch_size'?
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise RheonError(f"settings have no {key!r}: {hint(str(key), known)}")
        given: dict[str, Any] = {k: None if v in ("none", "None") else v for k, v in values.items()}
        return cls(**given)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _real(value: object, holds: Callable[[float], bool]) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and holds(value)
    )


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "steps": (lambda v: v is None or _whole(v, 1), "a whole number, at least 1"),
    "minutes": (lambda v: v is None or _real(v, lambda x: x > 0), "a number above 0"),
    "batch_size": (lambda v: _whole(v, 1), "a whole number, at least 1"),
    "accumulate": (lambda v: _whole(v, 1), "a whole number, at least 1"),
    "memory": (lambda v: v in ("store", "checkpoint", "invert"), '"store", "checkpoint" or "invert"'),
    "precision": (lambda v: v in ("float32", "bfloat16"), '"float32" or "bfloat16"'),
    "compile": (lambda v: isinstance(v, bool), "true or false"),
    "learning_rate": (lambda v: _real(v, lambda x: x > 0), "a number above 0"),
    "warmup": (lambda v: _real(v, lambda x: 0 <= x < 1), "a share of the budget, from 0 to below 1"),
    "weight_decay": (lambda v: _real(v, lambda x: x >= 0), "a number, 0 or above"),
    "betas": (
        lambda v: isinstance(v, tuple) and len(v) == 2 and all(_real(b, lambda x: 0 <= x < 1) for b in v),
        "two numbers from 0 to below 1",
    ),
    "clip": (lambda v: v is None or _real(v, lambda x: x > 1), "a number above 1, or None"),
    "ema_decay": (lambda v: _real(v, lambda x: 0 <= x < 1), "a number from 0 to below 1"),
    "validate_every": (lambda v: _real(v, lambda x: 0 < x <= 1), "a share of the budget, above 0, at most 1"),
    "patience": (
        lambda v: v is None or _real(v, lambda x: 0 < x <= 1),
        "a share of the budget, above 0, at most 1, or None",
    ),
    "seed": (lambda v: _whole(v, 0), "a whole number, 0 or above"),
    "device": (
        lambda v: isinstance(v, str) and re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", v) is not None,
        '"auto", "cpu", "cuda" or "cuda:0", "cuda:1", …',
    ),
    "threads": (lambda v: v == "auto" or _whole(v, 1), 'a whole number, at least 1, or "auto"'),
}
