import math

import numpy as np
import pytest
import torch

from rheon.errors import RheonError
from rheon.tables.categorical import CategoricalHeads
from rheon.training import Settings, train

LEVELS = (4, 2, 3)
SEEN = torch.cartesian_prod(*map(torch.arange, LEVELS))
WITH_UNSEEN = torch.cartesian_prod(*(torch.arange(level + 1) for level in LEVELS))


def perturbed(context=0):
    heads = CategoricalHeads(LEVELS, context, width=8).eval()
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter += torch.randn(parameter.shape, generator=draws)
    heads.prime(SEEN)
    return heads.requires_grad_(False)


@pytest.mark.parametrize("context", [0, 2])
def test_probabilities_sum_to_one(context):
    heads = perturbed(context)
    given = torch.tensor([[0.3, -2.0]]).expand(len(WITH_UNSEEN), -1) if context else None
    p = heads(WITH_UNSEEN, given).double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    assert float(p.std()) > 0.001


def test_each_code_sees_those_before_it_and_no_other():
    heads = perturbed()
    assert heads.order == [1, 2, 0]
    codes = torch.tensor([[3, 1, 2]])
    whole = heads.log_probs(codes)[0]
    for place, j in enumerate(heads.order):
        other = codes.clone()
        other[0, j] = 0
        changed = heads.log_probs(other)[0] != whole
        assert changed[:place].tolist() == [False] * place
        assert bool(changed[place:].all())


def test_untrained_heads_are_the_shares_of_independent_columns():
    codes = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 1, 1], [2, 1, 1]])
    heads = CategoricalHeads(LEVELS)
    heads.prime(codes)
    heads.requires_grad_(False)
    unseen = [2.05 / 5, 1.05 / 5, 1.05 / 5]  # levels that came once, and a little
    shares = [(2 + 0.5) / (4 + 2), (1 + 0.5) / (4 + 1), (1 + 0.5) / (4 + 1.5)]
    expected = sum(math.log((1 - e) * p) for e, p in zip(unseen, shares, strict=True))
    assert float(heads(torch.tensor([[0, 0, 0]]))) == pytest.approx(expected, rel=1e-5)
    assert float(heads(torch.tensor([[4, 2, 3]]))) == pytest.approx(sum(map(math.log, unseen)), rel=1e-5)


def test_samples_have_the_probabilities_that_the_heads_say():
    heads = perturbed()
    n = 40_000
    drawn = heads.sample(n, generator=torch.Generator().manual_seed(1))
    place = torch.zeros(n, dtype=torch.long)
    for j, level in enumerate(LEVELS):
        place = place * level + drawn[:, j]
    shares = torch.bincount(place, minlength=len(SEEN)) / n
    p = heads(SEEN).exp() / heads(SEEN).exp().sum()
    assert float(((shares - p) / (p / n).sqrt().clamp_min(1e-3)).abs().max()) < 4.5


def test_it_learns_a_dependence():
    draws = np.random.default_rng(0)
    first = draws.integers(0, 3, 2000)
    codes = torch.from_numpy(np.stack((first, (first + draws.integers(0, 2, 2000)) % 3), 1))

    class Codes:
        def __len__(self):
            return len(codes)

        def batch(self, rows, generator):
            return codes[rows], None

    heads = CategoricalHeads((3, 3), width=16)
    heads.prime(codes)
    for _ in train(heads, Codes(), Codes(), Settings(steps=150, learning_rate=0.02, threads=1)):
        pass
    assert float(heads(codes).mean().detach()) == pytest.approx(-math.log(3) - math.log(2), abs=0.03)


def test_what_is_refused():
    with pytest.raises(RheonError, match="levels must be"):
        CategoricalHeads((2, 0))
    heads = CategoricalHeads(LEVELS, 2)
    with pytest.raises(RheonError, match=r"context must have shape \(24, 2\), got none"):
        heads(SEEN)


def test_codes_are_completed_with_the_probability_that_is_said():
    heads = CategoricalHeads((3, 2, 4), width=8, seed=1).eval()
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter)))
            )
    codes = torch.tensor([[-1, 1, -1]]).repeat(20_000, 1)
    drawn, log_q = heads.complete(codes, (3, 2, 3), generator=torch.Generator().manual_seed(0))
    assert drawn[:, 1].eq(1).all()
    assert drawn[:, 2].max() == 2
    every = torch.cartesian_prod(torch.arange(3), torch.tensor([1]), torch.arange(3))
    # q is the product of the conditionals of what was drawn, over the levels that may be.
    place = drawn[:, 0] * 3 + drawn[:, 2]
    q = torch.stack(
        [log_q[place == k][0] if (place == k).any() else torch.tensor(-20.0) for k in range(9)]
    ).exp()
    assert float(q.sum()) == pytest.approx(1, abs=1e-3)
    shares = torch.bincount(place, minlength=9) / len(place)
    assert float((shares - q).abs().max()) < 0.015
    # By importance: the mean of p / q is the probability of what is known and may be.
    with torch.no_grad():
        weight, known = (heads(drawn) - log_q).exp(), heads(every).exp().sum()
    assert float(weight.mean()) == pytest.approx(float(known), rel=0.05)


def test_a_value_that_was_never_seen_is_kept_and_adds_nothing():
    heads = CategoricalHeads((2, 3), width=8).eval()
    heads.prime(torch.tensor([[0, 0], [1, 2], [1, 1]]))
    drawn, _ = heads.complete(torch.tensor([[2, -1], [0, -1]]), (2, 3), generator=torch.Generator())
    assert drawn[:, 0].tolist() == [2, 0]
    assert drawn[:, 1].max() < 3


@pytest.mark.parametrize("most", [5, 7, 10, 16])
def test_a_row_has_its_bits_wherever_it_stands(most):
    heads = CategoricalHeads((3, most)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in (heads.outer, heads.head):
            weights.normal_(generator=generator)
        codes = torch.randint(0, 3, (256, 2), generator=generator)
        together = heads(codes)
        for row in range(0, 256, 5):
            assert heads(codes[row].expand(256, -1))[0] == together[row]
