import pytest
import torch

from rheon.bijections import ActNorm, Composition, Inverse, Permutation, Scaling, Squeeze
from rheon.elementwise import Affine
from rheon.errors import RheonError
from rheon.partitions import Halves
from tests.contracts import noise, perturbed, vector_coupling


def layers():
    return [perturbed(vector_coupling(Halves(), Affine(), 3), seed=1), perturbed(ActNorm(3), seed=2)]


def test_data_pass_from_the_first_to_the_last():
    # The two do not commute, so the order shows.
    first, last = layers()
    x = noise(4, 3)
    middle, log_first = first(x)
    expected, log_last = last(middle)
    z, log_det = Composition([first, last])(x)
    assert torch.equal(z, expected)
    assert torch.equal(log_det, log_first + log_last)
    assert not torch.allclose(Composition([last, first])(x)[0], z)


def test_inverse_goes_from_the_last_to_the_first():
    f, x = Composition([*layers(), Permutation([2, 0, 1])]), noise(4, 3)
    torch.testing.assert_close(f.inverse(f(x)[0])[0], x, rtol=1e-13, atol=1e-13)


def test_shapes_pass_through():
    f = Composition([Squeeze(), Permutation([3, 2, 1, 0]), Squeeze("diagonal")])
    assert f.latent_shapes((1, 4, 8)) == ((16, 1, 2),)


def test_a_generator_of_bijections_will_do():
    assert Composition(Scaling(3) for _ in range(2))(noise(4, 3, dtype=torch.float32))[0].shape == (4, 3)


def test_empty_is_refused():
    with pytest.raises(RheonError, match="at least one"):
        Composition([])


def test_inverse_exchanges_the_directions_to_the_bit():
    f, x = layers()[0], noise(4, 3)
    for got, expected in zip(Inverse(f)(x), f.inverse(x), strict=True):
        assert torch.equal(got, expected)
    for got, expected in zip(Inverse(f).inverse(x), f(x), strict=True):
        assert torch.equal(got, expected)


def test_inverse_takes_only_what_keeps_the_shape():
    assert Inverse(ActNorm(3)).latent_shapes((3,)) == ((3,),)
    with pytest.raises(RheonError, match="keeps the event's shape"):
        Inverse(Squeeze()).latent_shapes((1, 4, 4))
