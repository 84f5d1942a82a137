import pytest
import torch

from rheon.conditioners import PixelMLP, PositionalConvNet
from rheon.errors import RheonError
from tests.contracts import M, noise, perturbed


def net(channels: int = 3, size: tuple[int, int] = (4, 4), blocks: int = 1, context: int = 0):
    return PositionalConvNet(channels, 4, size, 6, blocks, levels=8, context_features=context)


@pytest.mark.parametrize("context", [0, M])
@pytest.mark.parametrize("channels", [0, 3])
def test_starts_at_zero_and_keeps_the_size(channels, context):
    x, given = noise(5, channels, 2, 6, dtype=torch.float32), noise(5, context, dtype=torch.float32)
    psi = net(channels, (2, 6), context=context)(x, given)
    assert psi.shape == (5, 4, 2, 6)
    assert not psi.any()


def test_without_blocks_it_is_linear_in_contrast_and_local_mean():
    # Two phases of two colours; ψ 2 and 3 stand where the colours' local means are.
    made = perturbed(
        PositionalConvNet(4, 5, (4, 5), 6, 0, levels=8, colours=2, places=(2, 3)).double(), scale=0.5
    )
    x = 8 * noise(3, 4, 4, 5).sigmoid()
    phases = ((x.floor() + 0.5) / 4 - 1).view(3, 2, 2, 4, 5)
    counted = torch.nn.functional.conv2d(
        torch.ones(1, 1, 4, 5).double(), torch.ones(1, 1, 3, 3).double(), padding=1
    )
    box = torch.ones(2, 1, 3, 3).double()
    mean = torch.nn.functional.conv2d(phases.mean(1), box, padding=1, groups=2) / counted
    read = torch.cat((4 * (phases - mean[:, None]).flatten(1, 2), mean), 1)
    windows = torch.nn.functional.unfold(read, 3, padding=1).unflatten(2, (4, 5))
    h = torch.einsum("wf,bfij->bwij", made.stem.weight.flatten(1), windows)
    h = h + made.stem.bias[:, None, None] + made.place
    psi = torch.einsum("pw,bwij->bpij", made.head.weight, h) + made.head.bias[:, None, None]
    expected = psi * (3 * made.gain).exp()[:, None, None]
    expected[:, 2:4] += mean
    torch.testing.assert_close(made(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_sees_as_far_as_its_convolutions_reach(blocks):
    reach = 2 + blocks  # the local mean reaches one further
    made = perturbed(net(size=(15, 15), blocks=blocks), scale=0.5)
    x = noise(1, 3, 15, 15)
    for i, j in ((7, 7), (0, 14)):
        changed = x.clone()
        changed[0, :, i, j] += 1.0
        differs = (made(x) != made(changed)).any(1)[0].nonzero()
        assert differs.amin(0).tolist() == [max(i - reach, 0), max(j - reach, 0)]
        assert differs.amax(0).tolist() == [min(i + reach, 14), min(j + reach, 14)]


def test_knows_the_place_and_the_context():
    made = perturbed(net(0, context=M), scale=0.5)
    psi = made(noise(2, 0, 4, 4), noise(2, M))
    assert (psi[:, :, 0, 0] != psi[:, :, 2, 1]).all()
    assert (psi[0] != psi[1]).all()


def test_layout_in_memory_and_the_batch_do_not_matter():
    made, x = perturbed(net()).train(), noise(4, 3, 4, 4)
    psi = made(x)
    torch.testing.assert_close(made(x.contiguous(memory_format=torch.channels_last)), psi, rtol=0, atol=1e-13)
    torch.testing.assert_close(made(x.transpose(2, 3).contiguous().transpose(2, 3)), psi, rtol=0, atol=1e-13)
    torch.testing.assert_close(made(x[:1]), psi[:1], rtol=0, atol=1e-13)


def test_memory_of_psi_is_channel_by_channel():
    psi = perturbed(net())(noise(5, 3, 4, 4))
    assert psi.transpose(0, 1).is_contiguous()


@pytest.mark.parametrize("context", [None, noise(5, M + 1), noise(1, M), noise(M)])
def test_a_context_of_another_shape_is_refused(context):
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        net(context=M).double()(noise(5, 3, 4, 4), context)
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        PixelMLP(3, 4, context_features=M).double()(noise(5, 3, 1, 1), context)


def test_of_one_pixel_it_is_the_mlp_of_the_centred_channels():
    made = perturbed(PixelMLP(3, 4, (5,), levels=8, context_features=M))
    x, given = 8 * noise(6, 3, 1, 1).sigmoid(), noise(6, M)
    torch.testing.assert_close(
        made(x, given)[..., 0, 0], made.mlp((x[..., 0, 0].floor() + 0.5) / 4 - 1, given)
    )
