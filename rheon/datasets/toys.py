"""Two-dimensional densities whose log p(x) is known, so that a flow trained on them can be judged exactly.

The shapes are the usual ones of the field; each class says where its shape comes from. Where the usual
sampler has no closed density, the definition here is the nearest one that has.

References:
    L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, Unrolled Generative Adversarial Networks, 2017, arXiv
    1611.02163. W. Grathwohl, R. T. Q. Chen, J. Bettencourt, I. Sutskever, D. Duvenaud, FFJORD: Free-form
    Continuous Dynamics for Scalable Reversible Generative Models, 2019, arXiv 1810.01367.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import cos, log, pi, sin, sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import i0e, logsumexp

from rheon.errors import RheonError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Toy(ABC):
    """A density p(x) over the plane: ``sample(n, seed)`` draws from it, ``log_density(x)`` is log p(x) in
    nats.

    ``name`` is what :data:`TOYS` calls it; ``window`` ((left, right), (bottom, top)) is a box that holds
    all of its mass but less than 1e-6, for grids and pictures.

    >>> moons = TOYS["moons"]
    >>> x = moons.sample(1000, seed=0)
    >>> x.shape, moons.log_density(x).shape
    ((1000, 2), (1000,))
    """

    name: ClassVar[str]
    window: ClassVar[tuple[tuple[float, float], tuple[float, float]]]

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> Array:
        """n draws, (n, 2); an integer seed always gives the same, a generator goes on from where it is."""
        if n < 0:
            raise RheonError(f"n={n} is not a number of samples; expected 0 or more")
        return self._draw(n, np.random.default_rng(seed))

    def log_density(self, x: ArrayLike) -> Array:
        """log p(x), (N,), of points x (N, 2); −∞ where p is zero."""
        points = np.asarray(x, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise RheonError(f"x has shape {points.shape}; expected (N, 2)")
        if not np.isfinite(points).all():
            raise RheonError("x holds NaN or infinite values; expected finite points")
        return self._log_density(points)

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Array: ...

    @abstractmethod
    def _log_density(self, x: Array) -> Array: ...


@dataclass(frozen=True)
class EightGaussians(Toy):
    """Eight equal normal densities on a circle: p(x) = ⅛ Σ_k N(x; R (cos kπ/4, sin kπ/4), σ² I).

    A ring of normal modes is Metz et al. 2017; radius 2√2 and σ = √2/4 are FFJORD's.
    """

    name = "eight-gaussians"
    window = ((-5.0, 5.0), (-5.0, 5.0))
    radius: float = 2 * sqrt(2)
    scale: float = sqrt(2) / 4

    def _centres(self) -> Array:
        return self.radius * _directions(np.arange(8) * pi / 4)

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        return self._centres()[rng.integers(8, size=n)] + self.scale * rng.standard_normal((n, 2))

    def _log_density(self, x: Array) -> Array:
        squared = ((x[:, None] - self._centres()) ** 2).sum(-1)
        return logsumexp(-squared / (2 * self.scale**2), axis=1) - log(8 * 2 * pi * self.scale**2)


@dataclass(frozen=True)
class Checkerboard(Toy):
    """Uniform on the dark squares of a 4×4 board over [−4, 4)², as in FFJORD: p(x) = 1/32 there, else 0."""

    name = "checkerboard"
    window = ((-4.0, 4.0), (-4.0, 4.0))

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        column = rng.integers(-2, 2, size=n)
        row = 2 * rng.integers(-1, 1, size=n) + column % 2
        return 2 * (np.stack([column, row], axis=1) + rng.random((n, 2)))

    def _log_density(self, x: Array) -> Array:
        square = np.floor(x / 2)
        dark = ((square >= -2) & (square < 2)).all(1) & (square.sum(1) % 2 == 0)
        return np.where(dark, -log(32), -np.inf)


@dataclass(frozen=True)
class Rings(Toy):
    """Four circles about the origin, convolved with normal noise: with r = |x| and radii R_k,

        p(x) = ¼ Σ_k exp(−(r² + R_k²) / 2σ²) I₀(r R_k / σ²) / 2πσ².

    Radii ¾, 1½, 2¼, 3 and σ = 0.08: scikit-learn's ``make_circles``, with four circles in place of two.
    """

    name = "rings"
    window = ((-4.0, 4.0), (-4.0, 4.0))
    radii: tuple[float, ...] = (0.75, 1.5, 2.25, 3.0)
    noise: float = 0.08

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        radius = np.asarray(self.radii)[rng.integers(len(self.radii), size=n)]
        circle = radius[:, None] * _directions(rng.uniform(0, 2 * pi, size=n))
        return circle + self.noise * rng.standard_normal((n, 2))

    def _log_density(self, x: Array) -> Array:
        r, radii = np.hypot(x[:, 0], x[:, 1])[:, None], np.asarray(self.radii)
        # i0e(k) = exp(−k) I₀(k) completes the square: −(r² + R²)/2 + r R = −(r − R)²/2
        terms = np.log(i0e(r * radii / self.noise**2)) - (r - radii) ** 2 / (2 * self.noise**2)
        return logsumexp(terms, axis=1) - log(len(self.radii) * 2 * pi * self.noise**2)


@dataclass(frozen=True)
class Moons(Toy):
    """Two half circles, convolved with normal noise: p(x) = ½ q(x) + ½ q((1, ½) − x),

        q(x) = 1/π ∫₀^π N(x; (cos t, sin t), σ² I) dt.

    The shape of scikit-learn's ``make_moons`` with noise σ = 0.1, the angle t drawn at random instead of
    evenly spaced. The integral is taken by Gauss-Legendre quadrature with 160 nodes, to rounding error for
    |x| < 6.
    """

    name = "moons"
    window = ((-1.75, 2.75), (-1.25, 1.75))
    noise: float = 0.1

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        arc = _directions(rng.uniform(0, pi, size=n))
        lower = rng.random((n, 1)) < 0.5
        return np.where(lower, (1, 0.5) - arc, arc) + self.noise * rng.standard_normal((n, 2))

    def _log_density(self, x: Array) -> Array:
        nodes, weights = np.polynomial.legendre.leggauss(160)
        arc, weights = _directions(pi * (nodes + 1) / 2), weights / 2

        def log_q(points: Array) -> Array:
            # |x − e|² = |x|² + 1 − 2 x·e, as e is on the unit circle; the largest x·e is taken out of the sum
            along = points @ arc.T
            nearest = along.max(axis=1, keepdims=True)
            total = np.log(np.exp((along - nearest) / self.noise**2) @ weights)
            return total + (nearest[:, 0] - ((points**2).sum(1) + 1) / 2) / self.noise**2

        parts = np.split(x, range(4096, len(x), 4096))  # all points at once would take much memory
        sums = [np.logaddexp(log_q(part), log_q((1, 0.5) - part)) for part in parts]
        return np.concatenate(sums) - log(2 * 2 * pi * self.noise**2)


@dataclass(frozen=True)
class Pinwheel(Toy):
    """Five normal arms, twisted about the origin: x = 2 T(u) with u from ⅕ Σ_k N(u; e_k, Σ_k),

    where arm k lies along e_k = (cos 2πk/5, sin 2πk/5) with standard deviation 0.3 along it and 0.1 across,
    and T turns u by the angle −¼ exp |u|. T keeps areas, so p(x) = ⅕ Σ_k N(T⁻¹(x/2); e_k, Σ_k) / 4.

    The shape is that of M. J. Johnson et al., Composing Graphical Models with Neural Networks, 2016, arXiv
    1603.06277, in the size that FFJORD uses. There the turn follows u along its arm, which is almost |u| but
    gives a map that folds, and so a density without a closed form.
    """

    name = "pinwheel"
    window = ((-5.5, 5.5), (-5.5, 5.5))
    along: float = 0.3
    across: float = 0.1
    twist: float = 0.25

    def _turned(self, u: Array, sign: float) -> Array:
        radius, angle = np.hypot(u[:, 0], u[:, 1]), np.arctan2(u[:, 1], u[:, 0])
        return radius[:, None] * _directions(angle + sign * self.twist * np.exp(np.minimum(radius, 30.0)))

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        arm = np.array([1.0, 0.0]) + rng.standard_normal((n, 2)) * (self.along, self.across)
        cosine, sine = _directions(rng.integers(5, size=n) * 2 * pi / 5).T
        u = np.stack([cosine * arm[:, 0] - sine * arm[:, 1], sine * arm[:, 0] + cosine * arm[:, 1]], axis=1)
        return 2 * self._turned(u, -1)

    def _log_density(self, x: Array) -> Array:
        u = self._turned(x / 2, +1)
        arms = [(cos(2 * pi * k / 5), sin(2 * pi * k / 5)) for k in range(5)]
        terms = [
            -(((u @ (c, s) - 1) / self.along) ** 2 + ((u @ (-s, c)) / self.across) ** 2) / 2 for c, s in arms
        ]
        return logsumexp(terms, axis=0) - log(5 * 2 * pi * self.along * self.across * 4)


def _directions(angle: Array) -> Array:
    """Unit vectors (N, 2) at the angles (N,)."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


TOYS: dict[str, Toy] = {
    toy.name: toy for toy in (Moons(), Rings(), Checkerboard(), Pinwheel(), EightGaussians())
}
