import mpmath
import pytest
import torch
from mpmath import mpf

from rheon.bijections import Logit, Standardise
from rheon.errors import RheonError
from tests.contracts import noise


def test_standardise_is_its_formula():
    mean, scale = torch.tensor([100.0, -3.0]).double(), torch.tensor([0.25, 8.0]).double()
    z, log_det = Standardise(mean, scale)(torch.tensor([[101.0, 5.0]]).double())
    assert z.tolist() == [[4.0, 1.0]]
    assert log_det.item() == pytest.approx(-float(mpmath.log(mpf(1) / 4 * 8)), rel=1e-15)


def test_standardise_is_saved_and_not_learned():
    layer = Standardise(torch.ones(2), torch.ones(2))
    assert set(layer.state_dict()) == {"mean", "scale"}
    assert not list(layer.parameters())


@pytest.mark.parametrize(
    ("mean", "scale"),
    [
        ([0.0], [1.0, 1.0]),
        ([0.0], [0.0]),
        ([0.0], [-1.0]),
        ([0.0], [float("nan")]),
        ([0.0], [float("inf")]),
        ([float("nan")], [1.0]),
        ([float("inf")], [1.0]),
    ],
)
def test_standardise_refuses_what_is_no_scale(mean, scale):
    with pytest.raises(RheonError, match="Standardise"):
        Standardise(torch.tensor(mean), torch.tensor(scale))


def test_logit_golden():
    levels, alpha = 17, 0.05
    x = [0.0, 0.3, 8.5, 16.999, 17.0]
    with mpmath.workdps(50):
        v = [mpf(alpha) + (1 - 2 * mpf(alpha)) * mpf(value) / levels for value in x]
        z = [float(mpmath.log(p / (1 - p))) for p in v]
        log_det = float(mpmath.fsum(mpmath.log((1 - 2 * mpf(alpha)) / levels / (p * (1 - p))) for p in v))
    got, got_log_det = Logit(levels, alpha)(torch.tensor([x], dtype=torch.float64))
    assert got[0].tolist() == pytest.approx(z, rel=1e-12)
    assert got_log_det.item() == pytest.approx(log_det, rel=1e-12)


@pytest.mark.parametrize("z", [0.0, -3.0, 19.0, 20.5, 21.0, 25.0, -30.0, 200.0])
def test_logit_inverse_golden_far_in_the_tails(z):
    with mpmath.workdps(50):
        slope = (1 - 2 * mpf("0.05")) / 256
        sigmoid = 1 / (1 + mpmath.exp(-mpf(z)))
        x = float((sigmoid - mpf("0.05")) / slope)
        log_det = float(-mpf(abs(z)) - 2 * mpmath.log(1 + mpmath.exp(-mpf(abs(z)))) - mpmath.log(slope))
    got, got_log_det = Logit(256, 0.05).inverse(torch.tensor([[z]], dtype=torch.float64))
    assert got.item() == pytest.approx(x, rel=1e-12)
    assert got_log_det.item() == pytest.approx(log_det, rel=1e-12)


def test_logit_gives_no_number_beyond_its_domain():
    # v = α + (1 - 2α) x / levels lies outside (0, 1).
    x = torch.tensor([[-20.0], [300.0], [1e9], [-float("inf")]], dtype=torch.float64)
    z, log_det = Logit(256, 0.05)(x)
    assert not z.isfinite().any()
    assert not log_det.isfinite().any()


@pytest.mark.parametrize(
    ("levels", "alpha"), [(256, 0.0), (256, 0.5), (256, -0.1), (256, float("nan")), (1, 0.05)]
)
def test_logit_refuses_what_squeezes_nothing(levels, alpha):
    with pytest.raises(RheonError, match="Logit"):
        Logit(levels, alpha)


def test_logit_integrates_to_the_interval_it_covers():
    # ∫ |dz/dx| dx over a stretch of x is the length of its image.
    x = torch.linspace(10, 250, 200_001, dtype=torch.float64)[:, None]
    z, log_det = Logit()(x)
    area = torch.trapezoid(log_det.exp(), x[:, 0])
    assert area.item() == pytest.approx((z[-1] - z[0]).item(), rel=1e-9)


def test_row_values_do_not_depend_on_the_number_of_pixels():
    x = 100 + noise(1, 1)
    _, one = Logit()(x)
    _, many = Logit()(x.view(1, 1, 1, 1).expand(1, 3, 2, 2))
    assert many.item() == pytest.approx(12 * one.item(), rel=1e-13)
