import pytest
import torch

from rheon.architectures import realnvp_cifar10, realnvp_imagenet32
from rheon.bijections import ActNorm, BatchNorm, Coupling
from rheon.errors import RheonError
from tests.contracts import coupling_patterns, noise, perturbed

SMALL = {"width": 2, "blocks": 1}


@pytest.mark.parametrize(
    ("build", "latents"),
    [
        (realnvp_cifar10, [(6, 16, 16), (6, 16, 16)]),
        (realnvp_imagenet32, [(6, 16, 16), (12, 8, 8), (24, 4, 4), (24, 4, 4)]),
    ],
)
def test_scales(build, latents):
    made = build(**SMALL).eval()
    assert made.event_shape == (3, 32, 32)
    assert list(made.latent_shapes) == latents
    assert [tuple(z.shape[1:]) for z in made.latents(noise(1, 3, 32, 32, dtype=torch.float32))] == latents


@pytest.mark.parametrize(("build", "scales"), [(realnvp_cifar10, 2), (realnvp_imagenet32, 4)])
def test_couplings_are_those_of_the_paper(build, scales):
    made = build(**SMALL).double().eval()
    expected, channels, size = [], 3, 32
    for _ in range(scales - 1):
        expected += [((channels, size, size), f"{which} pixels") for which in ("odd", "even", "odd")]
        squeezed = (4 * channels, size // 2, size // 2)
        expected += [(squeezed, f"{which} channels") for which in ("last", "first", "last")]
        channels, size = 2 * channels, size // 2
    expected += [((channels, size, size), f"{which} pixels") for which in ("odd", "even", "odd", "even")]
    assert coupling_patterns(made, noise(2, 3, 32, 32)) == expected


def test_what_is_factored_out_first_is_one_half_of_a_checkerboard():
    made, x = realnvp_cifar10(**SMALL).eval(), noise(2, 3, 32, 32, dtype=torch.float32)
    z1, z2 = made.latents(x)
    even = torch.cat((x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]), 1)
    odd = torch.cat((x[:, :, ::2, 1::2], x[:, :, 1::2, ::2]), 1)
    torch.testing.assert_close(z1, odd)
    torch.testing.assert_close(z2, even)


def widths(made):
    return [m.conditioner.stem.out_channels for m in made.modules() if isinstance(m, Coupling)]


def test_defaults_are_those_of_the_paper_and_the_width_doubles_with_each_squeeze():
    cifar, imagenet = realnvp_cifar10(), realnvp_imagenet32()
    assert widths(cifar) == [64] * 3 + [128] * 3 + [128] * 4
    assert widths(imagenet) == [32] * 3 + [64] * 6 + [128] * 6 + [256] * 3 + [256] * 4
    for made, blocks in ((cifar, 8), (imagenet, 4)):
        assert {len(m.conditioner.blocks) for m in made.modules() if isinstance(m, Coupling)} == {blocks}


@pytest.mark.parametrize("build", [realnvp_cifar10, realnvp_imagenet32])
def test_norms_by_choice(build):
    def count(made, kind):
        return sum(isinstance(m, kind) for m in made.modules())

    act, batch = build(**SMALL), build(**SMALL, norm="batch")
    number = count(act, Coupling)
    assert (count(act, ActNorm), count(act, BatchNorm)) == (number, 0)
    assert (count(batch, ActNorm), count(batch, BatchNorm)) == (0, number)
    with pytest.raises(RheonError, match="'act' or 'batch'"):
        build(norm="layer")


def test_batch_norms_learn_their_statistics_and_then_invert_exactly():
    made = realnvp_cifar10(**SMALL, norm="batch").double().train()
    for seed in range(3):
        made(3 + 2 * noise(4, 3, 32, 32, seed=seed))
    made = perturbed(made, scale=0.02)
    x = 3 + 2 * noise(2, 3, 32, 32, seed=9)
    torch.testing.assert_close(made.from_latents(made.latents(x)), x, rtol=1e-10, atol=1e-10)
