"""Adaptive cubature: the masses of the cells of a box, in one or two dimensions."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

LogDensity = Callable[[Tensor], Tensor]
"""x (B, D) → log p (B,), in nats."""

DIMENSIONS = (1, 2)
_NODES = {1: 5, 2: 3}  # Gauss-Legendre nodes per axis of a cell
_LEAST_DEPTH = {1: 6, 2: 4}  # halvings of the box: at least, and where no samples show more
_PLAIN_DEPTH = {1: 9, 2: 6}
_NOTHING = math.log(1e-7)  # a mass that is not looked for
_CHUNK = 1 << 14  # points in one call of the density


@dataclass(frozen=True)
class Cells:
    """K boxes: lower and upper corners, (K, D) each."""

    low: Tensor
    high: Tensor

    def halved(self) -> "Cells":
        """Each cell cut in half along every axis: (K · 2^D) cells, those of one parent in a row."""
        dims = self.low.shape[1]
        corner = torch.cartesian_prod(*[torch.tensor([0.0, 0.5], dtype=self.low.dtype)] * dims).view(-1, dims)
        width = (self.high - self.low)[:, None]
        low = self.low[:, None] + corner * width
        return Cells(low.flatten(0, 1), (low + 0.5 * width).flatten(0, 1))

    def __getitem__(self, keep: Tensor) -> "Cells":
        return Cells(self.low[keep], self.high[keep])


@dataclass(frozen=True)
class Masses:
    """The integral over each of the first cells, and the sum of the differences that were left, per total."""

    cells: Cells
    mass: Tensor
    error: float
    points: int

    @property
    def total(self) -> float:
        return float(self.mass.sum())


def integrate(
    log_p: LogDensity, low: Tensor, high: Tensor, samples: Tensor | None, tolerance: float, max_points: int
) -> Masses:
    """The mass of cells of the box; the error is infinite where samples show more than they could resolve."""
    cells, finished = first_cells(log_p, low, high, samples, max_points // 100)
    masses = cubature(log_p, cells, tolerance, max_points)
    return masses if finished else replace(masses, error=math.inf)


def first_cells(
    log_p: LogDensity, low: Tensor, high: Tensor, samples: Tensor | None, limit: int, most: int = 32
) -> tuple[Cells, bool]:
    """The box cut into 64 cells (1-D) or 16×16 (2-D), and further where samples show that there is more.

    A cell is halved as long as it holds more than ``most`` samples, or one whose log p is a nat above that of
    all nodes: a peak or a ridge that passes between them. At about ``limit`` cells that ends, and False says
    so. Without samples: 512 equal cells (1-D) or 64×64.
    """
    cells, depth = Cells(low[None], high[None]), 0
    if samples is None:
        for _ in range(_PLAIN_DEPTH[len(low)]):
            cells = cells.halved()
        return cells, True
    samples = samples[((samples >= low) & (samples < high)).all(1)]
    heights = log_p(samples).nan_to_num(-torch.inf)
    home = torch.zeros(len(samples), dtype=torch.long)
    bits = 2 ** torch.arange(len(low) - 1, -1, -1)
    done: list[Cells] = []
    while len(cells.low) and sum(len(part.low) for part in done) + len(cells.low) < limit:
        count = home.bincount(minlength=len(cells.low))
        cut = (count > most) | torch.full_like(count, depth < _LEAST_DEPTH[len(low)], dtype=torch.bool)
        top = heights.new_full(count.shape, -torch.inf).scatter_reduce(0, home, heights, "amax")
        size = (cells.high - cells.low).log().sum(1)
        doubtful = ((count > 0) & ~cut & (top + size > _NOTHING)).nonzero()[:, 0]
        if len(doubtful):
            cut[doubtful] = top[doubtful] > _log_values(log_p, cells[doubtful]).amax(1) + 1
        cut &= (cells.high - cells.low > 1e-12 * (high - low)).all(1)
        # Each sample moves on to the part of its cell that it lies in, in the order of ``halved``.
        middle, kept = (cells.low + cells.high) / 2, cut[home]
        part = ((samples >= middle[home]).long() * bits).sum(1)
        home = ((cut.cumsum(0) - 1)[home] * 2 ** len(low) + part)[kept]
        samples, heights, depth = samples[kept], heights[kept], depth + 1
        done.append(cells[~cut])
        cells = cells[cut].halved()
    finished = not len(cells.low)
    done.append(cells)
    return Cells(torch.cat([part.low for part in done]), torch.cat([part.high for part in done])), finished


def cubature(log_p: LogDensity, cells: Cells, tolerance: float, max_points: int) -> Masses:
    """The mass of each cell, refined until the estimated errors add up to less than ``tolerance``."""
    dims = cells.low.shape[1]
    children, start = 2**dims, cells
    mass = cells.low.new_zeros(len(cells.low))
    owner = torch.arange(len(mass))
    value = _rule(log_p, cells)
    points, spent = len(value) * _NODES[dims] ** dims, 0.0
    while True:
        cells = cells.halved()
        halves = _rule(log_p, cells).view(-1, children)
        points += halves.numel() * _NODES[dims] ** dims
        better = halves.sum(1)
        # Halving leaves at most half of the difference, at a jump; a quarter at a kink, far less elsewhere.
        error = (better - value).abs().nan_to_num(torch.inf) / 2
        ranked, order = error.sort()
        good = torch.zeros_like(error, dtype=torch.bool)
        good[order] = ranked.cumsum(0) <= (tolerance - spent) / 2
        enough = points + int((~good).sum()) * children * children * _NODES[dims] ** dims > max_points
        if enough or bool(torch.isinf(better).any()):
            good.fill_(True)
        mass.index_add_(0, owner[good], better[good])
        spent += float(error[good].sum())
        if bool(good.all()):
            return Masses(start, mass, spent, points)
        rest = (~good).repeat_interleave(children)
        cells, value = cells[rest], halves[~good].flatten()
        owner = owner[~good].repeat_interleave(children)


def _rule(log_p: LogDensity, cells: Cells) -> Tensor:
    """∫ p over each cell by the tensor product of Gauss-Legendre nodes, (K,)."""
    dims = cells.low.shape[1]
    _, weights = _nodes(dims)
    p = _log_values(log_p, cells).exp().nan_to_num(0.0, torch.inf)
    return (p @ weights) * (cells.high - cells.low).prod(1)


def _log_values(log_p: LogDensity, cells: Cells) -> Tensor:
    """log p at the nodes of each cell, (K, nodes); NaN where it has none."""
    nodes, _ = _nodes(cells.low.shape[1])
    parts = []
    step = _CHUNK // len(nodes)
    for low, high in zip(cells.low.split(step), cells.high.split(step), strict=True):
        x = low[:, None] + nodes * (high - low)[:, None]
        parts.append(log_p(x.flatten(0, 1)).to(x.dtype).view(len(low), len(nodes)))
    return torch.cat(parts)


def _nodes(dims: int) -> tuple[Tensor, Tensor]:
    """Places in the unit cell, (nodes, D), and their weights."""
    place, weight = (torch.from_numpy(a) / 2 for a in np.polynomial.legendre.leggauss(_NODES[dims]))
    places = torch.cartesian_prod(*[place + 0.5] * dims).view(-1, dims)
    return places, torch.cartesian_prod(*[weight] * dims).view(-1, dims).prod(1)
