"""Every toy's density is checked against its integral, its own samples, and an independent formula."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from rheon.datasets import TOYS, Moons, Pinwheel, Rings
from rheon.errors import RheonError

toys = pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS.keys())


def midpoints(toy, cells):
    """The centres (cells, cells, 2) of a grid over the toy's window, and the area of a cell."""
    (left, right), (bottom, top) = toy.window
    x = left + (np.arange(cells) + 0.5) * (right - left) / cells
    y = bottom + (np.arange(cells) + 0.5) * (top - bottom) / cells
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1), (right - left) * (top - bottom) / cells**2


@toys
def test_integrates_to_one(toy):
    points, area = midpoints(toy, 240)
    mass = np.exp(toy.log_density(points.reshape(-1, 2))).sum() * area
    assert mass == pytest.approx(1, abs=2e-6)


def chi_square(toy, density, n=100_000, cells=32, fine=6):
    """The p-value of n samples in cells whose masses follow from the density."""
    (left, right), (bottom, top) = toy.window
    points, area = midpoints(toy, cells * fine)
    masses = np.exp(density(points.reshape(-1, 2))).reshape(cells, fine, cells, fine).sum((1, 3)) * area
    x = toy.sample(n, seed=1)
    counts, _, _ = np.histogram2d(x[:, 0], x[:, 1], cells, ((left, right), (bottom, top)))
    expected = n * masses
    full = expected > 5
    observed = np.append(counts[full], n - counts[full].sum())
    expected = np.append(expected[full], n - expected[full].sum())
    return stats.chi2.sf(((observed - expected) ** 2 / np.maximum(expected, 1)).sum(), full.sum())


@toys
def test_samples_follow_the_density(toy):
    assert chi_square(toy, toy.log_density) > 1e-3


@pytest.mark.parametrize(
    ("toy", "other"),
    [
        (Moons(), Moons(noise=0.105)),
        (Rings(), Rings(radii=(0.77, 1.5, 2.25, 3.0))),
        (Pinwheel(), Pinwheel(twist=0.26)),
        (Pinwheel(), Pinwheel(twist=-0.25)),
    ],
)
def test_the_chi_square_sees_a_slightly_wrong_density(toy, other):
    assert chi_square(toy, other.log_density) < 1e-6


def test_rings_by_bessel_function_in_high_precision():
    for x in ([0.0, 0.0], [0.3, 0.1], [1.45, 0.5], [3.5, -2.0], [30.0, 0.0]):
        with mpmath.workdps(40):
            r, variance = mpmath.hypot(*x), mpmath.mpf(0.08) ** 2
            terms = [
                mpmath.exp(-(r**2 + R**2) / (2 * variance)) * mpmath.besseli(0, r * R / variance)
                for R in (0.75, 1.5, 2.25, 3)
            ]
            expected = float(mpmath.log(sum(terms) / (4 * 2 * mpmath.pi * variance)))
        assert Rings().log_density([x])[0] == pytest.approx(expected, rel=1e-12)


def test_moons_by_quadrature_in_high_precision():
    def half_circle(x, y):
        """2π σ² q at (x, y)."""

        def integrand(t):
            squared = (x - mpmath.cos(t)) ** 2 + (y - mpmath.sin(t)) ** 2
            return mpmath.exp(-squared / (2 * mpmath.mpf(0.1) ** 2))

        return mpmath.quad(integrand, mpmath.linspace(0, mpmath.pi, 65)) / mpmath.pi

    for x, y in ([0.0, 1.0], [0.5, 0.25], [-1.2, -0.1], [2.0, 0.5], [0.9, 0.1], [4.0, -4.0]):
        with mpmath.workdps(20):
            both = half_circle(x, y) + half_circle(1 - x, 0.5 - y)
            expected = float(mpmath.log(both / (4 * mpmath.pi * mpmath.mpf(0.1) ** 2)))
        assert Moons().log_density([[x, y]])[0] == pytest.approx(expected, rel=1e-11)


def test_moons_do_not_depend_on_how_many_points_are_asked_for():
    x = Moons().sample(9000)
    few = Moons().log_density(x[8191:8194])
    assert Moons().log_density(x)[8191:8194] == pytest.approx(few, rel=1e-12)


def test_values_that_are_known_by_heart():
    board = TOYS["checkerboard"].log_density([[1, 1], [-1, 1], [-3, -1], [5, 5]])
    assert board.tolist() == [-np.log(32), -np.inf, -np.inf, -np.inf]
    # the other centres are 2.2 away and add exp(-18)
    peak = TOYS["eight-gaussians"].log_density([[2 * np.sqrt(2), 0]])[0]
    assert peak == pytest.approx(-np.log(8 * 2 * np.pi / 8), abs=1e-6)


@toys
def test_far_away_is_a_number_and_unlikely(toy):
    assert (toy.log_density([[1e3, 1e3], [-1e4, 0.0]]) < -1e3).all()


@toys
def test_a_seed_gives_the_same_samples_and_leaves_the_global_state_alone(toy):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = toy.sample(64, seed=3)
    assert first.dtype == np.float64
    assert first.shape == (64, 2)
    assert np.array_equal(first, toy.sample(64, seed=3))
    assert not np.array_equal(first, toy.sample(64, seed=4))
    rng = np.random.default_rng(3)
    assert np.array_equal(first, toy.sample(64, rng))
    assert not np.array_equal(first, toy.sample(64, rng))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert toy.sample(0).shape == (0, 2)


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0]], [[np.nan, 0.0]], [[np.inf, 0.0]]])
def test_points_that_are_none_are_refused(x):
    with pytest.raises(RheonError, match="expected"):
        TOYS["moons"].log_density(x)
    with pytest.raises(RheonError, match="n=-1"):
        TOYS["moons"].sample(-1)


def test_names():
    assert list(TOYS) == ["moons", "rings", "checkerboard", "pinwheel", "eight-gaussians"]
    assert all(toy.name == name for name, toy in TOYS.items())
