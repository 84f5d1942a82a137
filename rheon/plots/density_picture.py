"""Two-dimensional densities as pictures: log p(x) of the model, the true one beside it, and draws."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rheon.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
LogDensity = Callable[[Array], Array]
Window = tuple[tuple[float, float], tuple[float, float]]

_DEPTH = 8.0
"""Nats below the peak at which the colour scale ends: 1/3000 of the highest density."""


def density_picture(
    log_prob: LogDensity,
    window: Window,
    *,
    samples: Array,
    data: Array,
    true_log_prob: LogDensity | None = None,
    names: Sequence[str] = ("x0", "x1"),
    cells: int = 200,
) -> "Figure":
    """log p(x) over a window by colour, all panels on one scale; then draws of the model and real rows.

    Args:
        log_prob: of the model, from points (N, 2) to nats (N,).
        window: ((left, right), (bottom, top)).
        samples: drawn from the model, (N, 2).
        data: real rows, (N, 2); of both as many are shown as the smaller has, at most 3,000.
        true_log_prob: where the true density is known; its panel stands beside the model's.
        names: of the two columns.
        cells: of the grid, along each axis.
    """
    from matplotlib.figure import Figure

    centres = [low + (np.arange(cells) + 0.5) * (high - low) / cells for low, high in window]
    points = np.stack(np.meshgrid(*centres), axis=-1).reshape(-1, 2)
    surfaces = {"learned density": log_prob(points)}
    if true_log_prob is not None:
        surfaces["true density"] = true_log_prob(points)
    shown = min(len(samples), len(data), 3000)
    clouds = {f"{shown:,} rows drawn from it": samples[:shown], f"{shown:,} real rows": data[:shown]}
    rows, columns = (1, 3) if true_log_prob is None else (2, 2)
    figure = Figure((4 * columns + 1, 4 * rows + 0.3), layout="compressed")
    panels = list(np.ravel(figure.subplots(rows, columns, sharex=True, sharey=True)))

    # The scale comes from the true density where there is one, so that a spike of the model does not set it.
    top = _peak(list(surfaces.values())[-1])
    for panel, values in zip(panels, surfaces.values(), strict=False):
        colours = panel.imshow(
            np.maximum(values, top - _DEPTH).reshape(cells, cells),
            extent=(*window[0], *window[1]),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - _DEPTH,
            vmax=top,
            interpolation="nearest",
        )
    size = 2.2 + 4 / (1 + shown / 300)  # the fewer points there are, the larger they are
    for panel, cloud in zip(panels[len(surfaces) :], clouds.values(), strict=True):
        panel.plot(cloud[:, 0], cloud[:, 1], ".", ms=size, mew=0, alpha=0.6, color="#1f3a5f")
        panel.set_facecolor("#fafafa")

    for i, (panel, title) in enumerate(zip(panels, (*surfaces, *clouds), strict=True)):
        panel.set_title(title, fontsize=11)
        panel.set_box_aspect(1)
        if i >= len(panels) - columns:
            panel.set_xlabel(plain(names[0], 40), parse_math=False)
        if i % columns == 0:
            panel.set_ylabel(plain(names[1], 40), parse_math=False)
    panels[0].set(xlim=window[0], ylim=window[1])
    bar = figure.colorbar(colours, ax=panels[: len(surfaces)], pad=0.02, extend="min")
    bar.set_label("log p(x), nats")
    return figure


def _peak(values: Array) -> float:
    """The highest density, but for a thousandth of the cells: one spike is no scale."""
    finite = values[np.isfinite(values)]
    return float(np.quantile(finite, 0.999)) if len(finite) else 0.0


def window_of(data: Array) -> Window:
    """A window around nearly all rows (N, 2): outliers beyond the outer thousandths do not widen it."""
    low, high = np.quantile(data, (0.001, 0.999), axis=0)
    pad = np.where(high > low, 0.1 * (high - low), 1e-6 * (1 + np.abs(low)))
    (left, bottom), (right, top) = (low - pad).tolist(), (high + pad).tolist()
    return (left, right), (bottom, top)
