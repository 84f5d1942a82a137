import pytest
import torch

from rheon.bijections import ActNorm, Chain, Composition, Coupling, FactorOut, Permutation, Scaling
from rheon.conditioners import PositionalConvNet
from rheon.elementwise import Affine
from rheon.errors import RheonError
from rheon.partitions import Channels
from tests.contracts import jacobian, noise, perturbed

SHAPE = (4, 2, 3)


def nets(*groups: tuple[int, int]) -> list[PositionalConvNet]:
    return [PositionalConvNet(before, 2 * n, SHAPE[1:], 5, 1) for before, n in groups]


def test_it_is_the_stack_of_couplings_and_the_factor_out_that_it_says():
    # Groups 2, 2 of four channels: one coupling of the halves, and x_0 goes on.
    inner = perturbed(Scaling((2, 2, 3)))
    (net,) = nets((2, 2))
    chain = perturbed(Chain(SHAPE, (2, 2), Affine(), [net], inner))
    stack = Composition([Coupling(Channels(), Affine(), net), FactorOut(Channels(), inner, SHAPE)])
    x = noise(3, *SHAPE)
    for got, expected in zip(chain(x), stack(x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert chain.latent_shapes(SHAPE) == stack.latent_shapes(SHAPE)


def test_jacobian_is_that_of_the_chain_rule():
    # z_i answers to groups 0 … i, of its own to the same scalar: block-triangular, those blocks diagonal.
    chain = perturbed(Chain(SHAPE, (0, 1, 1, 2), Affine(), nets((0, 1), (1, 1), (2, 2))), scale=0.5)
    full = jacobian(lambda v: chain(v)[0], noise(1, *SHAPE)[0]).abs() > 0
    pixels = 6
    for i, rows in enumerate((slice(0, 1), slice(1, 2), slice(2, 4))):
        here = slice(rows.start * pixels, rows.stop * pixels)
        own = full[here, here]
        assert torch.equal(own, torch.eye(len(own), dtype=torch.bool))
        assert full[here, : here.start].any(1).all() or not i
        assert not full[here, here.stop :].any()


def test_the_deepest_latent_comes_first():
    chain = Chain(SHAPE, (1, 3), Affine(), nets((1, 3)), perturbed(Scaling((1, 2, 3)))).double()
    x = noise(3, *SHAPE)
    z, _ = chain(x)
    assert chain.latent_shapes(SHAPE) == ((3, 2, 3), (1, 2, 3))
    torch.testing.assert_close(z[:, 6:], x[:, 1:].flatten(1), rtol=0, atol=0)
    torch.testing.assert_close(chain.inverse(z)[0], x, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("groups", "conditioners", "inner"),
    [
        ((2, 1), 1, ActNorm(2)),  # not all channels
        ((2, 2), 2, ActNorm(2)),  # a network too many
        ((2, 2), 1, None),  # x_0 goes nowhere
        ((0, 4), 1, ActNorm(2)),  # nothing goes on
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, conditioners, inner):
    with pytest.raises(RheonError, match="Chain"):
        Chain(SHAPE, groups, Affine(), nets(*[(2, 2)] * conditioners), inner)


def test_what_does_not_fit_inside_is_refused():
    with pytest.raises(RheonError, match="built for 3"):
        Chain(SHAPE, (2, 2), Affine(), nets((2, 2)), Permutation([0, 1, 2])).latent_shapes(SHAPE)
    chain = Chain(SHAPE, (2, 2), Affine(), nets((2, 3)), ActNorm(2))
    with pytest.raises(RheonError, match=r"\(1, 4, 2, 3\), got \(1, 6, 2, 3\)"):
        chain(torch.zeros(1, *SHAPE))
    with pytest.raises(RheonError, match=r"\(4, 2, 3\), got \(4, 4, 4\)"):
        chain.latent_shapes((4, 4, 4))
