"""The default of images: its order of the pixels, and what it refuses."""

import pytest
import torch

from rheon.architectures import image_flow
from rheon.errors import RheonError
from tests.contracts import events, noise, perturbed


def answers_of(flow, x, levels):
    """(D, D): which z change when one value of x, the column, takes another level; its noise stays."""
    d, answers = x.numel(), []
    for step in range(1, levels):
        other = x.repeat(d, 1, 1, 1).flatten(1)
        other.diagonal().add_(step).remainder_(levels)
        with torch.no_grad():
            z, moved = (flow.bijection(v)[0].flatten(1) for v in (x, other.view(d, *x.shape[1:])))
        answers.append((moved - z).abs() > 1e-9)
    return torch.stack(answers).any(0).T


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
    answers = answers_of(flow, x, 5).view(64, 4, 2, 4, 2)
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
    answers = torch.stack([answers_of(flow, x, 4) for x in events(flow, 8).split(1)]).any(0)
    places = flow.bijection.bijections[1].order
    assert places.tolist() == [0, 8, 4, 2, 6, 1, 3, 5, 7]
    ends = [1, 2, 3, 5, 9]
    answers = answers[:, places]
    for start, end in zip([0, *ends], ends, strict=False):
        assert torch.equal(answers[start:end, start:end], torch.eye(end - start, dtype=torch.bool))
        assert answers[start:end, :start].all()
        assert not answers[start:end, end:].any()


def test_log_p_is_that_of_the_levels_whatever_the_noise_on_them():
    """Over all 3⁴ images the probabilities sum to 1, and noise changes none of them."""
    flow = perturbed(image_flow((1, 2, 2), 3), scale=0.5)
    k = torch.cartesian_prod(*4 * [torch.arange(3, dtype=torch.float64)]).view(81, 1, 2, 2)
    first, second = (flow(k + u * 0.99 + 0.005) for u in noise(2, 81, 1, 2, 2).sigmoid())
    assert first.exp().sum().item() == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-9)


def test_of_colours_too():
    flow = perturbed(image_flow((3, 1, 1), 4), scale=0.5)
    k = torch.cartesian_prod(*3 * [torch.arange(4, dtype=torch.float64)]).view(64, 3, 1, 1)
    assert flow(k + noise(64, 3, 1, 1).sigmoid()).exp().sum().item() == pytest.approx(1, abs=1e-9)
    flow = perturbed(image_flow((3, 2, 2), 2), scale=0.5)
    k = torch.cartesian_prod(*12 * [torch.arange(2, dtype=torch.float64)]).view(4096, 3, 2, 2)
    assert flow(k + noise(4096, 3, 2, 2).sigmoid()).exp().sum().item() == pytest.approx(1, abs=1e-9)


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
