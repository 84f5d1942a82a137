import pytest
import torch

from rheon.bijections import Composition, MaskedCoupling
from rheon.conditioners import MLP
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Halves
from tests.contracts import noise, perturbed

D = 4


def stack():
    parts = (Halves(), Halves().swapped(), Halves())
    return perturbed(
        Composition([MaskedCoupling(p, Affine(), MLP(2, 2 * 2, (8,), D)) for p in parts]), scale=0.15
    )


def test_what_is_absent_is_neither_seen_nor_touched():
    f, mask = stack(), torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    x, other = noise(1, D), noise(1, D)
    other[:, ::2] = x[:, ::2]
    (z, log_det), (z_other, log_det_other) = f(x, mask), f(other, mask)
    assert torch.equal(z[:, ::2], z_other[:, ::2])
    assert torch.equal(log_det, log_det_other)
    assert torch.equal(z[:, 1::2], x[:, 1::2])
    assert not torch.equal(z[:, ::2], x[:, ::2])


def test_a_hole_of_nan_spoils_nothing():
    f, mask = stack(), torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    x = noise(1, D)
    x[0, 1] = torch.nan
    z, log_det = f(x, mask)
    assert bool(torch.isfinite(z[:, ::2]).all() and torch.isfinite(log_det).all())


def test_the_present_part_has_a_density_of_its_own_for_every_pattern():
    flow = Flow(stack(), StandardNormal(D).double(), context_features=D)
    line = torch.linspace(-12, 12, 481, dtype=torch.float64)
    for present in ([0], [3], [0, 2], [2, 3]):
        mask = torch.zeros(D, dtype=torch.float64)
        mask[present] = 1
        x = torch.zeros(len(line) ** len(present), D, dtype=torch.float64)
        x[:, present] = torch.cartesian_prod(*[line] * len(present)).view(-1, len(present))
        filling = StandardNormal(D - len(present)).double()
        log_p = flow(x, mask.expand(len(x), -1)) - filling.log_prob(torch.zeros(1, D - len(present)).double())
        mass = log_p.detach().exp().sum() * (line[1] - line[0]) ** len(present)
        assert float(mass) == pytest.approx(1, abs=1e-3)


def test_a_context_that_cannot_say_what_is_there_is_refused():
    f = stack()
    for context, came in ((None, "none"), (noise(2, 3), r"shape \(2, 3\)")):
        with pytest.raises(RheonError, match=f"by its first 4; got {came}"):
            f(noise(2, D), context)
