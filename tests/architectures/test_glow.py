"""Glow: the order of its layers, and the learned prior of what leaves a level."""

import pytest
import torch

from rheon.architectures import glow
from rheon.bijections import ActNorm, Composition, Coupling, FactorOut, InvertibleConv1x1, Squeeze
from rheon.errors import RheonError
from tests.contracts import jacobian, noise, perturbed


def test_layers_stand_as_in_the_paper():
    def names(level: Composition) -> list:
        layers = list(level.bijections)
        last = layers[-1]
        inner = names(last.bijection) if isinstance(last, FactorOut) else []
        return [[type(layer) for layer in layers], *inner]

    step = [ActNorm, InvertibleConv1x1, Coupling]
    first, second = names(glow((1, 4, 4), levels=2, steps=3, width=4).bijection)
    assert first == [Squeeze, *step, *step, *step, Coupling, FactorOut]
    assert second == [Squeeze, *step, *step, *step]


def test_what_leaves_a_level_is_told_by_what_goes_on():
    # z_B = exp(s(x_A)) x_B + t(x_A), with nothing of x_B in x_A at the couplings before it: steps at rest.
    flow = glow((1, 4, 4), levels=2, steps=2, width=4).double().eval()
    *_, prior, _ = flow.bijection.bijections
    perturbed(prior, scale=0.5)
    full = jacobian(lambda v: flow.bijection(v)[0], noise(1, 1, 4, 4)[0])
    of_z_b = full[8:]  # the deepest latent comes first
    assert ((of_z_b != 0).sum(1) > 1).all()
    assert ((full[:8] != 0).sum(1) == 1).all()


def test_each_permutation_is_drawn_anew():
    orders = [m.linear.order for m in glow((3, 8, 8), 1, 4, 4).modules() if isinstance(m, InvertibleConv1x1)]
    assert len({tuple(order.tolist()) for order in orders}) == 4


@pytest.mark.parametrize("wrong", [{"levels": 3}, {"steps": 0}, {"width": 1.5}], ids=str)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(RheonError, match=next(iter(wrong))):
        glow(**{"shape": (1, 4, 4), "levels": 1, **wrong})


def test_any_context_reaches_the_prior():
    flow = perturbed(glow((1, 4, 4), 2, 1, 4, context_features=2))
    x, given = noise(2, 1, 4, 4), noise(2, 2)
    assert (flow.log_prob(x, given) != flow.log_prob(x, given + 1)).all()
    assert torch.isfinite(flow.sample(3, given[0])).all()
