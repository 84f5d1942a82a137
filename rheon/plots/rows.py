"""Tables to look at: drawn rows beside real ones, column by column and pair by pair.

Rows come as columns by name, name → (N,), as in :mod:`rheon.evaluation.two_samples`: numbers, NaN for a
missing one, or anything else as categories. Only aggregates are drawn, never a row.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rheon.errors import RheonError
from rheon.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, NDArray[Any]]

_REAL, _DRAWN = "#444444", "#5b7da8"
_MOST_CATEGORIES = 12


def marginals(real: Columns, drawn: Columns, most: int = 24) -> "Figure":
    """Each column's distribution: real rows as an outline, drawn ones filled.

    Numbers as histograms between the outer thousandths of the real ones, categories as shares, the twelve
    most frequent ones. At most ``most`` columns, the first ones.

    >>> x = {"a": np.arange(50.0), "b": np.array(["u", "v"] * 25)}
    >>> len(marginals(x, x).axes)
    2
    """
    from matplotlib.figure import Figure

    names = list(real)[:most]
    if not names:
        raise RheonError("marginals: there are no columns to draw.")
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure = Figure((2.6 * across, 2.0 * down + 0.3), layout="constrained")
    panels = np.ravel(figure.subplots(down, across, squeeze=False))
    for panel, name in zip(panels, names, strict=False):
        if _is_number(real[name]) and _is_number(drawn[name]):
            _histograms(panel, np.asarray(real[name], float), np.asarray(drawn[name], float))
        else:
            _shares(panel, real[name], drawn[name])
        panel.set_title(plain(name, 28), fontsize=9, parse_math=False)
        panel.tick_params(labelsize=7)
        panel.set_yticks([])
    for panel in panels[len(names) :]:
        panel.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def pairs(real: Columns, drawn: Columns, columns: Sequence[str] | None = None, most: int = 5) -> "Figure":
    """Columns of numbers against each other: real rows below the diagonal, drawn ones above it.

    Args:
        real: rows of data.
        drawn: rows of the model.
        columns: which; unless given, the ``most`` that are correlated most with any other.
        most: columns at most, where they are not given.

    >>> rng = np.random.default_rng(0)
    >>> x = {"a": rng.normal(size=99), "b": rng.normal(size=99), "c": np.array(["u"] * 99)}
    >>> len(pairs(x, x).axes)
    4
    """
    from matplotlib.figure import Figure

    names = list(columns) if columns else _most_correlated(real, most)
    if len(names) < 2:
        raise RheonError("pairs: fewer than two columns of numbers, so there is no pair to draw.")
    windows = {name: _window(np.asarray(real[name], float)) for name in names}
    figure = Figure((2.0 * len(names), 2.0 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), len(names), squeeze=False)
    for i, down in enumerate(names):
        for j, across in enumerate(names):
            panel = panels[i][j]
            if i == j:
                _histograms(panel, np.asarray(real[down], float), np.asarray(drawn[down], float))
                panel.set_yticks([])
            else:
                part, colours = (real, "Greys") if i > j else (drawn, "Blues")
                x, y = np.asarray(part[across], float), np.asarray(part[down], float)
                both = ~(np.isnan(x) | np.isnan(y))
                counts, *_ = np.histogram2d(x[both], y[both], 40, [windows[across], windows[down]])
                panel.imshow(
                    np.log1p(counts.T), origin="lower", aspect="auto", cmap=colours,
                    extent=(*windows[across], *windows[down]),
                )  # fmt: skip
                panel.set_yticks([] if j else panel.get_yticks())
            panel.set_xlim(windows[across])
            panel.tick_params(labelsize=6)
            if i == len(names) - 1:
                panel.set_xlabel(plain(across, 20), fontsize=8, parse_math=False)
            else:
                panel.set_xticks([])
            if j == 0:
                panel.set_ylabel(plain(down, 20), fontsize=8, parse_math=False)
    return figure


def calibration(real: Columns, drawn: Columns, most: int = 24) -> "Figure":
    """Probability integral transform of each column of numbers: F_drawn(x) of the real x, as a curve.

    A curve on the diagonal is a column whose distribution the model has; one above it, values that the model
    puts too high. The grey band is what chance alone does (99 %, for the number of real rows).

    >>> x = {"a": np.arange(50.0)}
    >>> len(calibration(x, x).axes)
    1
    """
    from matplotlib.figure import Figure

    names = [name for name in real if _is_number(real[name]) and _is_number(drawn[name])][:most]
    if not names:
        raise RheonError("calibration: there are no columns of numbers to draw.")
    figure = Figure((5.2, 4.4), layout="constrained")
    panel = figure.subplots()
    at = np.linspace(0, 1, 201)
    n = min(int((~np.isnan(np.asarray(real[name], float))).sum()) for name in names)
    band = 1.63 / np.sqrt(max(n, 1))
    panel.fill_between(at, np.clip(at - band, 0, 1), np.clip(at + band, 0, 1), color="#dddddd", lw=0)
    gaps = {}
    for name in names:
        u = _transform(np.asarray(real[name], float), np.asarray(drawn[name], float))
        gaps[name] = np.searchsorted(np.sort(u), at, side="right") / max(len(u), 1) - at
    worst = sorted(gaps, key=lambda name: -float(np.abs(gaps[name]).max()))[:4]
    for name, gap in gaps.items():
        shown = name in worst
        panel.plot(
            at, at + gap, lw=1.6 if shown else 0.7, color=None if shown else "#9fb3cc",
            label=plain(name, 24).replace("$", r"\$") if shown else None,
        )  # fmt: skip
    panel.set(xlabel="u", ylabel="share of real values with F(x) ≤ u", xlim=(0, 1), ylim=(0, 1))
    panel.legend(frameon=False, fontsize=8, title="farthest off")
    return figure


def correlation_difference(real: Columns, drawn: Columns, most: int = 30) -> "Figure":
    """Spearman's correlations of drawn rows minus those of real ones, for pairs of columns of numbers.

    >>> rng = np.random.default_rng(0)
    >>> x = {"a": rng.normal(size=99), "b": rng.normal(size=99)}
    >>> len(correlation_difference(x, x).axes)
    2
    """
    from matplotlib.figure import Figure

    from rheon.evaluation.two_samples import correlations  # the command shows text without loading torch

    names, matrix = correlations({name: real[name] for name in list(real)[:most]})
    if len(names) < 2:
        raise RheonError("correlation_difference: fewer than two columns of numbers, so there is no pair.")
    _, other = correlations({name: drawn[name] for name in names})
    side = 1.6 + 0.32 * len(names)
    figure = Figure((side + 1.2, side), layout="constrained")
    panel = figure.subplots()
    shown = panel.imshow(other - matrix, cmap="RdBu", vmin=-0.3, vmax=0.3)
    labels = [plain(name, 20) for name in names]
    panel.set_xticks(range(len(names)), labels, rotation=90, fontsize=7, parse_math=False)
    panel.set_yticks(range(len(names)), labels, fontsize=7, parse_math=False)
    figure.colorbar(shown, ax=panel, label="drawn minus real", shrink=0.8, extend="both")
    return figure


def _is_number(values: NDArray[Any]) -> bool:
    return np.asarray(values).dtype.kind in "iuf"


def _window(values: NDArray[np.float64]) -> tuple[float, float]:
    """Between the outer thousandths, with a margin."""
    low, high = np.nanquantile(values, (0.001, 0.999)) if np.isfinite(values).any() else (0.0, 1.0)
    pad = 0.05 * (high - low) or 1e-6 * (1 + abs(low))
    return float(low - pad), float(high + pad)


def _histograms(panel: "Axes", real: NDArray[np.float64], drawn: NDArray[np.float64]) -> None:
    edges = np.linspace(*_window(real), 41)
    for values, style in (
        (drawn, {"color": _DRAWN, "alpha": 0.6, "fill": True, "label": "drawn"}),
        (real, {"color": _REAL, "lw": 1.1, "label": "real"}),
    ):
        counts, _ = np.histogram(values[~np.isnan(values)], edges)
        panel.stairs(counts / max(len(values), 1), edges, **style)  # type: ignore[arg-type]


def _shares(panel: "Axes", real: NDArray[Any], drawn: NDArray[Any]) -> None:
    a, b = ([_text(v) for v in np.asarray(part).tolist()] for part in (real, drawn))
    levels, counts = np.unique(a, return_counts=True)
    shown = list(levels[np.argsort(-counts, kind="stable")][:_MOST_CATEGORIES])
    place = np.arange(len(shown))
    shares = [np.array([part.count(level) / max(len(part), 1) for level in shown]) for part in (a, b)]
    panel.bar(place, shares[1], 0.8, color=_DRAWN, alpha=0.6, label="drawn")
    panel.bar(place, shares[0], 0.8, fill=False, edgecolor=_REAL, lw=1.1, label="real")
    panel.set_xticks(place, [plain(v, 10) for v in shown], rotation=60, fontsize=6, parse_math=False)


def _text(value: Any) -> str:
    return "missing" if value is None or value != value else str(value)


def _most_correlated(columns: Columns, most: int) -> list[str]:
    from rheon.evaluation.two_samples import correlations

    names, matrix = correlations(columns)
    strength = np.abs(matrix - np.eye(len(names))).max(0, initial=0.0)
    chosen = sorted(np.argsort(-strength, kind="stable")[:most])
    return [names[i] for i in chosen]


def _transform(real: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """F_drawn of each real value, in the middle of its step where values repeat."""
    real, drawn = real[~np.isnan(real)], np.sort(drawn[~np.isnan(drawn)])
    below, upto = (np.searchsorted(drawn, real, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * max(len(drawn), 1))
