"""The default of images: its order of the pixels, and what it refuses."""

import pytest
import torch

from rheon.architectures import image_flow
from rheon.errors import RheonError
from tests.contracts import events, jacobian, perturbed


@pytest.mark.parametrize(
    ("shape", "latents"),
    [
        ((1, 28, 28), [(3, 14, 14), (3, 7, 7), (49, 1, 1)]),
        ((3, 32, 32), [(9, 16, 16), (9, 8, 8), (9, 4, 4), (48, 1, 1)]),
        ((1, 8, 8), [(3, 4, 4), (16, 1, 1)]),
        ((1, 5, 9), [(45, 1, 1)]),
        ((2, 12, 10), [(6, 6, 5), (60, 1, 1)]),
    ],
)
def test_latents(shape, latents):
    assert [tuple(latent) for latent in image_flow(shape).latent_shapes] == latents


def test_each_pixel_answers_to_the_coarser_ones_alone():
    # z of (1, 8, 8): 16 scalars of x_00, then the phases (1, 1), (0, 1), (1, 0) of 16 pixels each.
    flow = perturbed(image_flow((1, 8, 8), 5))
    x = events(flow, 1)
    answers = jacobian(lambda v: flow.bijection(v)[0], x[0]).abs().view(64, 4, 2, 4, 2) > 0
    phases = [answers[:, :, dy, :, dx].flatten(1) for dy, dx in ((0, 0), (1, 1), (0, 1), (1, 0))]
    for i in range(4):
        rows = slice(16 * i, 16 * (i + 1))
        for j in range(4):
            seen = phases[j][rows]
            if j > i:
                assert not seen.any()
            elif 0 < j == i:
                assert torch.equal(seen, torch.eye(16, dtype=torch.bool))
            else:
                assert seen.any()


def test_the_rest_follows_the_chain_rule_down_to_one_scalar():
    # An odd image has no scale: its places go from coarse to fine, and each group doubles what is known.
    flow = perturbed(image_flow((1, 3, 3), 4), scale=0.5)
    x = events(flow, 1)
    answers = jacobian(lambda v: flow.bijection(v)[0], x[0]).abs() > 0
    places = flow.bijection.bijections[1].order
    assert places.tolist() == [0, 8, 4, 2, 6, 1, 3, 5, 7]
    ends = [1, 2, 3, 5, 9]
    answers = answers[:, places]
    for start, end in zip([0, *ends], ends, strict=False):
        assert torch.equal(answers[start:end, start:end], torch.eye(end - start, dtype=torch.bool))
        assert answers[start:end, :start].all()
        assert not answers[start:end, end:].any()


def test_outside_the_levels_there_is_no_number():
    flow = image_flow((1, 8, 8), 4).eval()
    x = torch.full((2, 1, 8, 8), 1.5)
    x[1, 0, 3, 3] = 4.5
    assert flow.log_prob(x).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [{"size": "huge"}, {"size": 3}, {"grey_levels": 1}, {"grey_levels": 0}, {"shape": (1, 8)}],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(RheonError, match=next(iter(wrong)).removeprefix("grey_")):
        image_flow(**{"shape": (1, 8, 8), **wrong})
