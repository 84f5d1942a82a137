import pytest
import torch

from rheon.architectures import multiscale_realnvp
from rheon.bijections import Coupling
from rheon.errors import RheonError
from tests.contracts import coupling_patterns, noise


@pytest.mark.parametrize("c", [1, 3, 4])
def test_latents_of_three_levels_are_those_of_the_design(c):
    made = multiscale_realnvp((c, 32, 32), levels=3, width=4, blocks=1)
    x = noise(2, c, 32, 32, dtype=torch.float32)
    shapes = [(2 * c, 16, 16), (4 * c, 8, 8), (16 * c, 4, 4)]
    latents = made.eval().latents(x)
    assert [tuple(z.shape) for z in latents] == [(2, *shape) for shape in shapes]
    assert list(made.latent_shapes) == shapes
    torch.testing.assert_close(made.from_latents(latents), x)


@pytest.mark.parametrize(
    ("shape", "levels", "latents"),
    [
        ((1, 2, 2), 1, [(4, 1, 1)]),
        ((3, 8, 12), 2, [(6, 4, 6), (24, 2, 3)]),
        ((2, 16, 16), 4, [(4, 8, 8), (8, 4, 4), (16, 2, 2), (64, 1, 1)]),
    ],
)
def test_any_channels_any_even_size_any_levels_that_fit(shape, levels, latents):
    made = multiscale_realnvp(shape, levels, width=4, blocks=1)
    assert list(made.latent_shapes) == latents
    assert made.sample(2).shape == (2, *shape)
    assert made.recipe.arguments["levels"] == levels


@pytest.mark.parametrize("c", [1, 3])
def test_three_checkerboards_then_three_channel_wise_at_every_level(c):
    made = multiscale_realnvp((c, 32, 32), levels=3, width=4, blocks=1).double().eval()
    expected = []
    for size, channels in ((32, c), (16, 2 * c), (8, 4 * c)):
        expected += [((channels, size, size), f"{which} pixels") for which in ("odd", "even", "odd")]
        squeezed = (4 * channels, size // 2, size // 2)
        expected += [(squeezed, f"{which} channels") for which in ("last", "first", "last")]
    assert coupling_patterns(made, noise(2, c, 32, 32)) == expected


def test_conditioners_of_checkerboards_see_half_of_the_grid():
    made = multiscale_realnvp((3, 8, 8), levels=1, width=4, blocks=1)
    first = next(m for m in made.modules() if isinstance(m, Coupling))
    seen = []
    first.conditioner.register_forward_hook(lambda _, inputs, psi: seen.append((inputs[0].shape, psi.shape)))
    made(noise(2, 3, 8, 8, dtype=torch.float32))
    assert seen == [((2, 6, 4, 4), (2, 2 * 6, 4, 4))]


def test_untrained_the_latents_are_the_pixels_by_the_natural_squeeze():
    # Level 1 keeps the first half of the squeezed channels, 4c + 2dy + dx, and hands out the second.
    made = multiscale_realnvp((2, 4, 4), levels=2, width=4, blocks=1).eval()
    x = noise(3, 2, 4, 4, dtype=torch.float32)
    z1, z2 = made.latents(x)
    for k in range(4):
        dy, dx = divmod(k, 2)
        torch.testing.assert_close(z1[:, k], x[:, 1, dy::2, dx::2])
        for channel in range(4):  # of X_1, 4×2×2: pixel (dy, dx) of each of its own blocks
            row, column = divmod(channel, 2)
            kept = x[:, 0, row::2, column::2]
            torch.testing.assert_close(z2[:, 4 * channel + k, 0, 0], kept[:, dy, dx])


@pytest.mark.parametrize(
    ("shape", "levels", "says"),
    [
        ((1, 30, 30), 3, ["levels=3", "30×30 allows levels up to 1", "pad to 32×32", "crop to 24×24"]),
        ((3, 33, 32), 1, ["33×32 allows none", "pad to 34×32", "crop to 32×32"]),
        ((3, 32, 48), 5, ["32×48 allows levels up to 4", "pad to 32×64", "crop to 32×32"]),
        ((1, 4, 4), 3, ["4×4 allows levels up to 2", "pad to 8×8"]),
    ],
)
def test_an_impossible_size_is_refused_with_those_that_would_work(shape, levels, says):
    with pytest.raises(RheonError) as caught:
        multiscale_realnvp(shape, levels)
    for words in says:
        assert words in str(caught.value)
    # and they do work
    size = tuple(int(n) for n in str(caught.value).partition("pad to ")[2].split()[0].strip(".").split("×"))
    multiscale_realnvp((shape[0], *size), levels, width=2, blocks=1)


@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 4, 4), 3), ((1, 2, 8), 2), ((1, 8, 8), 40), ((1, 8, 8), 10**6)]
)
def test_no_crop_to_a_larger_size_is_advised(shape, levels):
    with pytest.raises(RheonError) as caught:
        multiscale_realnvp(shape, levels)
    assert "crop" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "shape",
    [(1, 8), (8, 8), (1, 1, 8, 8), (0, 8, 8), (1, 8, 0), (1, -8, 8), (1, 8.0, 8), (True, 8, 8), "888", None],
)
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(RheonError, match="shape must be"):
        multiscale_realnvp(shape)


@pytest.mark.parametrize("levels", [0, -1, 1.5, True, "3", None])
def test_levels_must_be_counted(levels):
    with pytest.raises(RheonError, match="levels must be"):
        multiscale_realnvp((1, 8, 8), levels)
