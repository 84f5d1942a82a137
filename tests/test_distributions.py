import math

import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.distributions import Base, StandardLogistic, StandardNormal
from rheon.errors import RheonError
from tests.contracts import generator, noise

BASES = [StandardNormal, StandardLogistic]


def log_density(base: type[Base], z: mpf) -> mpf:
    if base is StandardNormal:
        return mpmath.log(mpmath.exp(-(z**2) / 2) / mpmath.sqrt(2 * mpmath.pi))
    return mpmath.log(mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2)


def cumulative(base: type[Base], z: torch.Tensor) -> torch.Tensor:
    return 0.5 * (1 + torch.erf(z / math.sqrt(2))) if base is StandardNormal else z.sigmoid()


@pytest.fixture(params=BASES, ids=lambda base: base.__name__)
def base(request: pytest.FixtureRequest) -> type[Base]:
    return request.param


@pytest.mark.parametrize("z", [[0.0], [0.3, -1.7], [40.0, -38.0, 1e-9], [700.0], [-800.0, 0.1]])
def test_golden(base, z):
    with mpmath.workdps(400):  # exp(-800²/2) has a logarithm only if it is not rounded to 0
        expected = float(mpmath.fsum(log_density(base, mpf(value)) for value in z))
    got = base(len(z)).log_prob(torch.tensor([z], dtype=torch.float64))
    assert got.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_integrates_to_one(base):
    z = torch.linspace(-60, 60, 120_001, dtype=torch.float64)[:, None]
    assert torch.trapezoid(base(1).log_prob(z).exp(), z[:, 0]).item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("shape", [(6,), (2, 3, 1)])
def test_sums_over_the_event_and_keeps_the_batch(base, shape):
    z = noise(4, *shape)
    got = base(shape).log_prob(z)
    singles = base(1).log_prob(z.reshape(-1, 1)).view(4, 6).sum(1)
    torch.testing.assert_close(got, singles, rtol=1e-13, atol=1e-13)
    assert base(shape).log_prob(z[:0]).shape == (0,)


def test_context_is_accepted_and_of_no_effect(base):
    z = noise(4, 3)
    assert torch.equal(base(3).log_prob(z, noise(4, 2)), base(3).log_prob(z))


def test_no_number_stays_none(base):
    z = torch.tensor([[float("nan")], [float("inf")], [-float("inf")]])
    assert base(1).log_prob(z).isnan().tolist()[0]
    assert (base(1).log_prob(z)[1:] == -float("inf")).all()


def test_draws_follow_the_density(base):
    # Kolmogorov-Smirnov against the distribution function, at a level of 1 in 1000.
    n = 20_000
    z = base((1,)).double().sample(n, generator=generator()).flatten().sort().values
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    cdf = cumulative(base, z)
    distance = torch.maximum((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
    assert distance < 1.95 / math.sqrt(n)


def test_draws_are_independent(base):
    z = base((3, 2)).double().sample(20_000, generator=generator()).flatten(1)
    correlation = torch.corrcoef(torch.cat((z[1:], z[:-1]), 1).T)
    assert (correlation - torch.eye(12)).abs().max() < 4 / math.sqrt(20_000)


def test_draws_are_finite(base):
    assert base(1000).sample(1000, generator=generator()).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_type_is_that_of_the_module(base, dtype):
    made = base((2, 3)).to(dtype)
    assert made.dtype == dtype
    assert made.sample(4).dtype == dtype
    assert made.sample(4).shape == (4, 2, 3)
    assert made.sample(0).shape == (0, 2, 3)


@pytest.mark.usefixtures("untouched_rng")
def test_the_generator_alone_decides(base):
    made = base(3)
    first, again, other = (made.sample(5, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("untouched_rng")
def test_without_a_generator_every_draw_is_fresh(base):
    torch.manual_seed(0)
    first = base(3).sample(5)
    torch.manual_seed(0)
    assert not torch.equal(first, base(3).sample(5))


def test_temperature_scales(base):
    cold, warm = (base(3).sample(5, temperature=t, generator=generator()) for t in (0.5, 1.0))
    torch.testing.assert_close(cold, 0.5 * warm, rtol=1e-6, atol=0)
    assert not base(3).sample(5, temperature=0.0).any()


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_what_is_no_temperature_is_refused(base, temperature):
    with pytest.raises(RheonError, match="temperature"):
        base(3).sample(5, temperature=temperature)


def test_nothing_is_saved(base):
    assert not base(3).state_dict()
    assert base(3).event_shape == (3,)
    assert base((1, 2, 3)).event_shape == (1, 2, 3)
