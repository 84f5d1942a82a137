import numpy as np
import pytest
from scipy.stats import norm

from rheon.tables.lines import NODES, Lines

MEANS = np.linspace(-4, 4, 41)


def normals(width):
    """Densities of y = e^t, whose t is normal: narrow ones among them."""
    return lambda line, t: (norm.logpdf(t, MEANS[line], width) - t, t)


@pytest.mark.parametrize("width", [1.0, 0.1, 0.01, 1e-3])
def test_masses_entropies_and_draws_of_normal_densities(width):
    lines = Lines.of(normals(width), len(MEANS))
    assert lines.z.shape == (len(MEANS), NODES)
    np.testing.assert_allclose(lines.log_mass, 0, atol=1e-5)
    # The entropy of a log-normal distribution.
    entropy = MEANS + 0.5 * np.log(2 * np.pi * np.e * width**2)
    np.testing.assert_allclose(-lines.mean_log_p, entropy, atol=2e-4)
    u = np.tile(np.linspace(0.001, 0.999, 200), (len(MEANS), 1))
    np.testing.assert_allclose(norm.cdf(lines.draw(u), MEANS[:, None], width), u, atol=3e-3)


def test_a_narrow_part_is_found_where_a_place_in_it_is_named():
    def density(line, t):
        narrow = np.log(0.3) + norm.logpdf(t, 0.333, 1e-3)
        return np.logaddexp(narrow, np.log(0.7) + norm.logpdf(t, -1.0, 1.0)), 0 * t

    named = Lines.of(density, 1, through=np.array([[0.334]]))
    assert named.log_mass[0] == pytest.approx(0, abs=3e-3)
    drawn = named.draw(np.linspace(0.001, 0.999, 999)[None])
    assert (np.abs(drawn - 0.333) < 4e-3).mean() == pytest.approx(0.3, abs=0.01)


def test_what_lies_far_out_is_reached_where_it_is_named():
    far = Lines.of(lambda line, t: (norm.logpdf(t, 30, 0.5), 0 * t), 1, through=np.array([[30.4]]))
    assert far.log_mass[0] == pytest.approx(0, abs=1e-4)


def test_a_density_may_be_cut_off():
    def density(line, t):
        return np.where(t < 0.4321, norm.logpdf(t), -np.inf), 0 * t

    lines = Lines.of(density, 2)
    np.testing.assert_allclose(np.exp(lines.log_mass), norm.cdf(0.4321), atol=1e-3)
    assert lines.draw(np.full((2, 1), 1 - 1e-9)).max() < 0.45
    nothing = Lines.of(lambda line, t: (np.full(len(t), -np.inf), 0 * t), 1)
    assert nothing.log_mass[0] == -np.inf


def test_a_line_does_not_depend_on_the_others():
    every, some = (Lines.of(normals(0.3), n) for n in (41, 7))
    assert np.array_equal(every.take(np.arange(7)).z, some.z)
    assert np.array_equal(every.log_mass[:7], some.log_mass)
