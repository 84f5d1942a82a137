"""The statistics of samples: their rates under a density that is exact, and the smallest error they see."""

import math

import pytest
import torch

from rheon.bijections import Scaling
from rheon.distributions import StandardNormal
from rheon.evaluation.compare import uniformity
from rheon.evaluation.mass import integrates_to_one, nearest_neighbours
from rheon.evaluation.subject import subject_of
from rheon.flow import Flow


class Off(Flow):
    """log p is ``off`` nats too high."""

    off = 0.0

    def forward(self, x, context=None):
        return super().forward(x, context) + self.off


def subject(dims, off=0.0, seed=0):
    flow = Off(Scaling(dims), StandardNormal(dims))
    flow.off = off
    with torch.no_grad():
        flow.bijection.log_scale.copy_(torch.linspace(-3, 3, dims))
    return subject_of(flow, None, None, seed)


@pytest.mark.parametrize("dims", [3, 5, 8])
@torch.no_grad()
def test_nearest_neighbours_of_an_exact_density_are_uniform(dims):
    """Over ten seeds the distance stays near what uniform numbers have, 0.87 / √n on average."""
    distances = [nearest_neighbours(subject(dims, seed=seed))[0].figure for seed in range(10)]
    assert sum(distances) / 10 < 1.5 * 0.87 / math.sqrt(1500)


@pytest.mark.parametrize("off", [-0.25, 0.25])
@pytest.mark.parametrize("dims", [3, 8])
@torch.no_grad()
def test_nearest_neighbours_see_a_quarter_of_a_nat(dims, off):
    assert nearest_neighbours(subject(dims, off))[0].passed is False


@pytest.mark.parametrize(("dims", "off"), [(1, 2e-5), (2, 2e-3)])
@torch.no_grad()
def test_the_integral_sees_twice_its_limit(dims, off):
    sound, _ = integrates_to_one(subject(dims))
    wrong, _ = integrates_to_one(subject(dims, off))
    assert sound.figure < sound.limit / 10
    assert wrong.figure == pytest.approx(math.expm1(off), rel=0.1)
    assert wrong.passed is False


@torch.no_grad()
def test_histograms_have_the_deviates_of_a_standard_normal():
    deviates = torch.tensor([integrates_to_one(subject(2, seed=seed))[1].figure for seed in range(12)])
    assert abs(float(deviates.mean())) < 1.2  # 4 / √12
    assert float(deviates.abs().max()) < 4.5


def test_uniform_numbers_are_uniform_at_the_stated_rate():
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(1000, generator=generator, dtype=torch.float64)
    sound = uniformity("", u, "")
    assert sound.passed
    assert sound.limit == pytest.approx(math.sqrt(math.log(2e6) / 2000))
    assert not uniformity("", u**1.3, "").passed
    assert not uniformity("", torch.cat((u, torch.full((150,), torch.nan).double())), "").passed
    # Three numbers by hand: the steps 1/3, 2/3, 1 are at most 0.3 from 0.3, 0.4, 0.7.
    assert uniformity("", torch.tensor([0.7, 0.3, 0.4], dtype=torch.float64), "").figure == pytest.approx(0.3)
