"""The training curve: how likely the training and the validation rows became, beside baselines."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log, prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rheon.reports.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _RED, _GREY = "#5b7da8", "#d1495b", "#444444"


@dataclass(frozen=True)
class Unit:
    """What a mean of -log p, in nats per row, is shown as: ``scale * nats + shift``, in the unit ``name``."""

    name: str
    scale: float = 1.0
    shift: float = 0.0
    lower_is_better: bool = True

    @classmethod
    def bits_per_dim(cls, shape: Iterable[int]) -> Self:
        """-log p / (D ln 2), for images of this shape.

        >>> round(Unit.bits_per_dim((1, 8, 8))(177.4), 2)
        4.0
        """
        return cls("bits/dim", 1 / (prod(shape) * log(2)))

    @classmethod
    def mean_log_prob(cls, log_det: float = 0.0) -> Self:
        """Mean log p in nats, where ``log_det`` leads from the units of training to those of the data."""
        return cls("nats", -1.0, log_det, lower_is_better=False)

    def __call__(self, nats: float) -> float:
        return self.scale * nats + self.shift


def training_curve(
    records: Iterable[Mapping[str, Any]], unit: Unit, baselines: Mapping[str, float] | None = None
) -> "Figure":
    """Training and validation against the step.

    Args:
        records: as ``Record.as_dict`` and ``training.jsonl`` give them; of each ``step``, ``loss`` and
            ``validation`` (None where there was none) are used, in nats per row.
        unit: what the figures are shown in.
        baselines: what simpler models reach, in ``unit``, drawn as level lines.
    """
    from matplotlib.figure import Figure

    records = list(records)
    steps = np.array([record["step"] for record in records])
    loss = np.array([unit(record["loss"]) for record in records])
    validated = [record for record in records if record["validation"] is not None]
    figure = Figure((9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    window = len(loss) // 25
    pale = window > 1
    axes.plot(
        steps, loss, color="#c9d3e0" if pale else _BLUE, lw=0.8 if pale else 1.6, label="training batches"
    )
    if pale:
        smooth_steps, smooth = (_running(values, window) for values in (steps, loss))
        axes.plot(smooth_steps, smooth, color=_BLUE, lw=1.6, label="training, smoothed")
    if validated:
        at = np.array([record["step"] for record in validated])
        value = np.array([unit(record["validation"]) for record in validated])
        best = int(value.argmin() if unit.lower_is_better else value.argmax())
        axes.plot(at, value, color=_RED, lw=2, label="validation")
        axes.plot(at[best], value[best], "o", color=_RED, label=f"best, {value[best]:.3f}")
        loss = np.concatenate((loss, value))
    low, high = _limits(loss, unit, list((baselines or {}).values()))
    axes.set_ylim(low, high)
    for name, level, place in _labels(baselines or {}, low, high):
        axes.axhline(level, color=_GREY, lw=1, ls=(0, (5, 3)))
        axes.annotate(
            f"{plain(name, 40)}: {level:.3f}",
            (1, level),
            xytext=(1.01, place),
            xycoords=("axes fraction", "data"),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=_GREY,
            parse_math=False,
        )
    axes.set_xlabel("step")
    better = "lower" if unit.lower_is_better else "higher"
    what = "bits per dimension" if unit.name == "bits/dim" else "mean log p(x), nats per row"
    axes.set_ylabel(f"{what} ({better} is better)")
    axes.set_xlim(0, max(steps[-1], 1))
    axes.grid(color="#eee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure


def _labels(levels: Mapping[str, float], low: float, high: float) -> Iterator[tuple[str, float, float]]:
    """(name, level, height of its label as a share of the axis), from below; labels keep apart."""
    least = -1.0
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        if low <= level <= high:
            place = max((level - low) / (high - low), least)
            least = place + 0.05
            yield name, level, place


def _running(values: np.ndarray, window: int) -> np.ndarray:
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=float)))
    return (sums[window:] - sums[:-window]) / window


def _limits(shown: np.ndarray, unit: Unit, levels: list[float]) -> tuple[float, float]:
    """All that is good, and of the steep beginning only a part: what matters are the differences at the end."""
    shown = shown[np.isfinite(shown)]
    if not len(shown):
        return 0.0, 1.0
    ordered = np.sort(shown if unit.lower_is_better else -shown)
    good, bad = ordered[0], ordered[int(0.9 * (len(ordered) - 1))]
    for level in levels if unit.lower_is_better else [-level for level in levels]:
        good, bad = min(good, level), max(bad, min(level, bad + 2 * (bad - good)))
    pad = 0.08 * (bad - good) or 0.5
    low, high = good - pad, bad + 2 * pad
    return (low, high) if unit.lower_is_better else (-high, -low)
