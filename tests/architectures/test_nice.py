import mpmath
import pytest
import torch
from mpmath import mpf
from torch import nn

from rheon.architectures import nice
from rheon.bijections import Composition, Coupling, Scaling
from rheon.errors import RheonError
from tests.contracts import noise, perturbed


@pytest.mark.parametrize("features", [2, 5, (1, 4, 4)])
def test_log_det_is_exactly_zero_before_the_diagonal_scaling(features):
    made = perturbed(nice(features, couplings=4, hidden=(8,)))
    *couplings, scaling = made.bijection.bijections
    assert isinstance(scaling, Scaling)
    z, log_det = Composition(couplings)(x := noise(5, *made.event_shape))
    assert not log_det.any()
    assert (z != x.flatten(1)).all()
    _, log_det = made.bijection(x)
    torch.testing.assert_close(log_det, scaling.log_scale.sum().expand(5), rtol=1e-14, atol=0)


class Hand(nn.Module):
    """t(x_a) = w tanh(v x_a + b) + c, of one scalar."""

    def __init__(self, v: float, b: float, w: float, c: float) -> None:
        super().__init__()
        self.numbers = v, b, w, c

    def forward(self, x_a, context=None):
        v, b, w, c = self.numbers
        return w * torch.tanh(v * x_a + b) + c

    def exactly(self, x: mpf) -> mpf:
        v, b, w, c = map(mpf, self.numbers)
        return w * mpmath.tanh(v * x + b) + c


@pytest.mark.parametrize("base", ["logistic", "normal"])
@pytest.mark.parametrize("x", [[0.3, -1.2], [0.0, 0.0], [-7.0, 11.0]])
def test_golden(base, x):
    # Two features, two couplings: (x₁, x₂ + t₁(x₁)), then (x₁ + t₂(x₂), x₂), then the scales.
    first, second = Hand(0.7, -0.2, 1.3, 0.4), Hand(-1.1, 0.5, 0.8, -0.3)
    scales = [0.25, -0.6]
    made = nice(2, couplings=2, base=base).double().eval()
    for coupling, hand in zip(
        (m for m in made.modules() if isinstance(m, Coupling)), (first, second), strict=True
    ):
        coupling.conditioner = hand
    with torch.no_grad():
        next(m for m in made.modules() if isinstance(m, Scaling)).log_scale.copy_(
            torch.tensor(scales, dtype=torch.float64)
        )
    with mpmath.workdps(50):
        x1, x2 = map(mpf, x)
        x2 += first.exactly(x1)
        x1 += second.exactly(x2)
        z = [mpmath.exp(mpf(s)) * v for s, v in zip(scales, (x1, x2), strict=True)]
        if base == "logistic":
            logs = [-v - 2 * mpmath.log(1 + mpmath.exp(-v)) for v in z]
        else:
            logs = [-(v**2) / 2 - mpmath.log(2 * mpmath.pi) / 2 for v in z]
        expected = float(mpmath.fsum(logs) + mpmath.fsum(map(mpf, scales)))
    got = made.log_prob(torch.tensor([x], dtype=torch.float64))
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_couplings_as_in_the_paper():
    assert sum(isinstance(m, Coupling) for m in nice(6).modules()) == 4
    assert type(nice(6).base).__name__ == "StandardLogistic"
    assert type(nice(6, base="normal").base).__name__ == "StandardNormal"


def test_four_couplings_let_every_feature_reach_every_other():
    made = perturbed(nice(6, couplings=4, hidden=(16,)), scale=0.5)
    x = noise(10, 6)
    full = sum(
        torch.autograd.functional.jacobian(lambda v: made.bijection(v[None])[0][0], row).abs() for row in x
    )
    assert (full > 0).all()


def test_an_image_keeps_its_shape_outside():
    made = nice((2, 3, 4), hidden=(8,))
    assert made.event_shape == (2, 3, 4)
    assert made.latent_shapes == ((24,),)
    assert made.sample(3).shape == (3, 2, 3, 4)


@pytest.mark.parametrize("features", [0, -2, (1, 4), (1, 4, 0), "12", 2.5])
def test_impossible_sizes_are_refused(features):
    with pytest.raises(RheonError, match=r"features|shape"):
        nice(features)
