import mpmath
import pytest
import torch
from mpmath import mpf
from torch import nn

from rheon.architectures import realnvp, spline_coupling
from rheon.bijections import ActNorm, Coupling
from rheon.elementwise import RationalQuadraticSpline


class Hand(nn.Module):
    """(t, ψ₂)(x_a) = W tanh(v x_a + b) + c, from one scalar to two."""

    def __init__(self, v: float, b: float, w: tuple[float, float], c: tuple[float, float]) -> None:
        super().__init__()
        self.v, self.b, self.w, self.c = v, b, w, c

    def forward(self, x_a, context=None):
        h = torch.tanh(self.v * x_a + self.b)
        return torch.cat([w * h + c for w, c in zip(self.w, self.c, strict=True)], 1)

    def exactly(self, x: mpf) -> list[mpf]:
        h = mpmath.tanh(mpf(self.v) * x + mpf(self.b))
        return [mpf(w) * h + mpf(c) for w, c in zip(self.w, self.c, strict=True)]


@pytest.mark.parametrize("x", [[0.3, -1.2], [0.0, 0.0], [-5.0, 8.0]])
def test_golden(x):
    # ActNorm, x₂ given x₁, x₁ given x₂; ψ₂ becomes the log-scale s = b tanh ψ₂.
    hands = Hand(0.7, -0.2, (1.3, -0.4), (0.4, 0.1)), Hand(-1.1, 0.5, (0.8, 0.6), (-0.3, -0.2))
    scales, biases = [[0.25, -0.6]], [[0.5, -0.7]]
    made = realnvp(2, couplings=2).double().eval()
    couplings = [m for m in made.modules() if isinstance(m, Coupling)]
    bounds = []
    for coupling, hand in zip(couplings, hands, strict=True):
        coupling.conditioner = hand
        bounds.append(coupling.elementwise.bound)
    norms = [m for m in made.modules() if isinstance(m, ActNorm)]
    with torch.no_grad():
        for norm, scale, bias in zip(norms, scales, biases, strict=True):
            norm.log_scale.copy_(torch.tensor(scale, dtype=torch.float64))
            norm.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    with mpmath.workdps(50):

        def affine(kept: mpf, changed: mpf, hand: Hand, bound: float) -> tuple[mpf, mpf]:
            t, raw = hand.exactly(kept)
            s = mpf(bound) * mpmath.tanh(raw)
            return mpmath.exp(s) * changed + t, s

        def norm(v: list[mpf], k: int) -> list[mpf]:
            return [mpmath.exp(mpf(s)) * a + mpf(b) for a, s, b in zip(v, scales[k], biases[k], strict=True)]

        x1, x2 = norm([mpf(v) for v in x], 0)
        x2, s_first = affine(x1, x2, hands[0], bounds[0])
        x1, s_second = affine(x2, x1, hands[1], bounds[1])
        z = [x1, x2]
        log_det = s_first + s_second + mpmath.fsum(mpf(s) for scale in scales for s in scale)
        expected = float(-mpmath.fsum(v**2 for v in z) / 2 - mpmath.log(2 * mpmath.pi) + log_det)
    got = made.log_prob(torch.tensor([x], dtype=torch.float64))
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_couplings_are_counted():
    assert sum(isinstance(m, Coupling) for m in realnvp(4).modules()) == 8
    assert sum(isinstance(m, Coupling) for m in realnvp(4, couplings=3).modules()) == 3


def test_spline_arguments_arrive():
    made = spline_coupling(3, couplings=2, bins=5, bound=2.5)
    splines = {m for m in made.modules() if isinstance(m, RationalQuadraticSpline)}
    assert splines
    assert {(m.bins, m.bound) for m in splines} == {(5, 2.5)}
    assert sum(isinstance(m, Coupling) for m in made.modules()) == 2
