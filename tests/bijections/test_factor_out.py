import pytest
import torch

from rheon.bijections import Composition, FactorOut, Permutation, Scaling, Squeeze
from rheon.elementwise import Affine
from rheon.errors import RheonError
from rheon.partitions import Channels, Halves
from tests.contracts import noise, perturbed, vector_coupling


def test_layout_is_the_inner_latent_first_then_what_is_factored_out():
    inner = perturbed(Scaling(2))
    z, log_det = FactorOut(Halves(), inner, (5,))(x := noise(3, 5))
    scale = inner.log_scale.detach()
    torch.testing.assert_close(z, torch.cat((x[:, :2] * scale.exp(), x[:, 2:]), 1))
    torch.testing.assert_close(log_det, scale.sum().expand(3))


def test_nested_the_deepest_latent_comes_first_and_shapes_are_listed_from_the_finest():
    # 2×4×4 → squeeze 8×2×2 → Z_1 = channels 4…7; X_1 = channels 0…3, of which Z_2 = 2, 3 and Z_3 = 0, 1.
    inner = FactorOut(Channels(), Permutation([0, 1]), (4, 2, 2))
    f = Composition([Squeeze(), FactorOut(Channels(), inner, (8, 2, 2))])
    assert f.latent_shapes((2, 4, 4)) == ((4, 2, 2), (2, 2, 2), (2, 2, 2))
    x = noise(3, 2, 4, 4)
    z, _ = f(x)
    channels = torch.nn.functional.pixel_unshuffle(x, 2)
    assert torch.equal(
        z, torch.cat([channels[:, part].flatten(1) for part in ([0, 1], [2, 3], [4, 5, 6, 7])], 1)
    )
    assert torch.equal(f.inverse(z)[0], x)


def test_a_learned_prior_is_one_more_coupling_before_it():
    # x_B given x_A: no special case.
    coupling = perturbed(vector_coupling(Halves(), Affine(), 4))
    z, log_det = Composition([coupling, FactorOut(Halves(), Scaling(2).double(), (4,))])(x := noise(3, 4))
    expected, expected_log_det = coupling(x)
    assert torch.equal(z, expected)
    assert torch.equal(log_det, expected_log_det)


def test_nothing_can_follow_in_a_composition():
    with pytest.raises(RheonError, match="inside the FactorOut"):
        Composition([FactorOut(Halves(), Scaling(2), (4,)), Scaling(4)]).latent_shapes((4,))


@pytest.mark.parametrize(("shape", "says"), [((1, 4, 4), "at least 2 channels"), ((4,), r"\(C, H, W\)")])
def test_an_event_that_cannot_be_split_is_refused(shape, says):
    with pytest.raises(RheonError, match=says):
        FactorOut(Channels(), Squeeze(), shape)


def test_an_inner_bijection_that_does_not_fit_is_refused():
    with pytest.raises(RheonError, match="H and W even"):
        FactorOut(Channels(), Squeeze(), (2, 3, 3))


def test_another_event_is_refused():
    with pytest.raises(RheonError, match=r"\(4,\), got \(6,\)"):
        FactorOut(Halves(), Scaling(2), (4,)).latent_shapes((6,))
