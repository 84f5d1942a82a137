"""The training curve: how likely the training and the validation rows became, beside baselines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rheon.text import plain
from rheon.training.unit import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _PALE, _RED, _GREY = "#5b7da8", "#c9d3e0", "#d1495b", "#444444"


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

    records, baselines = list(records), baselines or {}
    figure = Figure((9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    trained, validated = _points(records, "loss", unit), _points(records, "validation", unit)
    _draw(axes, trained, validated, unit)
    low, high = _limits(np.concatenate((trained[1], validated[1])), unit, list(baselines.values()))
    for name, level, place in _labels(baselines, low, high):
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
    axes.set_xlim(0, max(*(record["step"] for record in records), 1))
    axes.set_ylim(low, high)
    axes.set_xlabel("step")
    what = "bits per dimension" if unit.name == "bits/dim" else "mean log p(x), nats per row"
    kind = f"\n{unit.likelihood}" if unit.likelihood else ""
    axes.set_ylabel(f"{what} ({'lower' if unit.lower_is_better else 'higher'} is better){kind}")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure


def _points(records: list[Mapping[str, Any]], name: str, unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and the figures of those steps that have one."""
    points = [(record["step"], unit(record[name])) for record in records if record[name] is not None]
    finite = [point for point in points if np.isfinite(point[1])]
    return tuple(np.array(finite, dtype=float).reshape(-1, 2).T)  # type: ignore[return-value]


def _draw(axes: "Axes", trained: Any, validated: Any, unit: Unit) -> None:
    steps, loss = trained
    window = len(loss) // 25
    color, width = (_PALE, 0.8) if window > 1 else (_BLUE, 1.6)
    axes.plot(steps, loss, color=color, lw=width, label="training batches")
    if window > 1:
        smooth = (_running(values, window) for values in trained)
        axes.plot(*smooth, color=_BLUE, lw=1.6, label="training, smoothed")
    steps, value = validated
    if len(value):
        best = int(value.argmin() if unit.lower_is_better else value.argmax())
        axes.plot(steps, value, color=_RED, lw=2, label="validation")
        axes.plot(steps[best], value[best], "o", color=_RED, label=f"best, {value[best]:.3f}")


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
    """All that is good, and of the steep beginning a part: what matters are the differences at the end."""
    if not len(shown):
        return 0.0, 1.0
    ordered = np.sort(shown if unit.lower_is_better else -shown)
    good, bad = ordered[0], ordered[int(0.9 * (len(ordered) - 1))]
    for level in levels if unit.lower_is_better else [-level for level in levels]:
        good, bad = min(good, level), max(bad, min(level, bad + 2 * (bad - good)))
    pad = 0.08 * (bad - good) or 0.5
    low, high = good - pad, bad + 2 * pad
    return (low, high) if unit.lower_is_better else (-high, -low)
