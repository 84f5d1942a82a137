import pytest
import torch

from rheon.conditioners import ConvNet, ShallowConvNet
from rheon.errors import RheonError
from tests.contracts import M, noise, perturbed


def convnet(context: int = 0, blocks: int = 1) -> ConvNet:
    return ConvNet(3, 4, width=6, blocks=blocks, context_features=context)


@pytest.mark.parametrize("context", [0, M])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (2, 6)])
def test_starts_at_zero_and_keeps_the_size(size, context):
    psi = convnet(context)(noise(5, 3, *size, dtype=torch.float32), noise(5, context, dtype=torch.float32))
    assert psi.shape == (5, 4, *size)
    assert not psi.any()


def test_reads_every_channel_and_the_context_at_every_pixel():
    net = perturbed(convnet(M), scale=0.5)
    x, given = noise(20, 3, 4, 4).requires_grad_(), noise(20, M).requires_grad_()
    psi = net(x, given)
    psi.square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    assert (given.grad.abs().sum(0) > 0).all()
    assert (net(x, given + 1) != psi).flatten(1).any(1).all()


@pytest.mark.parametrize("context", [0, M])
def test_the_shallow_one_is_three_convolutions_and_reaches_two_pixels(context):
    net = ShallowConvNet(3, 4, 6, context)
    x, given = noise(2, 3, 9, 9), noise(2, context)
    assert not net(x.float(), given.float()).any()
    perturbed(net, scale=0.5)
    conv = torch.nn.functional.conv2d
    h = conv(x, net.stem.weight, net.stem.bias, padding=1)
    if context:
        h = h + net.shift(given)[:, :, None, None]
    h = conv(h.relu(), net.middle.weight, net.middle.bias).relu()
    expected = conv(h, net.head.weight, net.head.bias, padding=1)
    torch.testing.assert_close(net(x, given), expected, rtol=1e-12, atol=1e-12)
    changed = x.clone()
    changed[:, :, 4, 4] += 1.0
    differs = (net(x, given) != net(changed, given)).any(1)[0].nonzero()
    assert differs.amin(0).tolist() == [2, 2]
    assert differs.amax(0).tolist() == [6, 6]


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_sees_as_far_as_its_convolutions_reach(blocks):
    # One pixel of input reaches 1 + 2 · blocks pixels to every side and no further, nor around the edge.
    reach = 1 + 2 * blocks
    net = perturbed(convnet(blocks=blocks), scale=0.5)
    x = noise(1, 3, 15, 15)
    for i, j in ((7, 7), (0, 14)):
        changed = x.clone()
        changed[0, :, i, j] += 1.0
        differs = (net(x) != net(changed)).any(1)[0].nonzero()
        assert differs.amin(0).tolist() == [max(i - reach, 0), max(j - reach, 0)]
        assert differs.amax(0).tolist() == [min(i + reach, 14), min(j + reach, 14)]


def test_layout_in_memory_does_not_matter():
    net, x = perturbed(convnet()), noise(2, 3, 4, 4)
    psi = net(x)
    torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last)), psi, rtol=0, atol=1e-14)
    transposed = x.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(net(transposed), psi, rtol=0, atol=1e-14)


def test_a_row_does_not_see_its_batch():
    # In training mode too: there is no batch norm inside.
    net, x = perturbed(convnet()).train(), noise(4, 3, 4, 4)
    torch.testing.assert_close(net(x)[:1], net(x[:1]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("context", [None, noise(5, M + 1), noise(1, M), noise(M)])
def test_a_context_of_another_shape_is_refused(context):
    with pytest.raises(RheonError, match=r"context .*\(5, 2\)"):
        convnet(M).double()(noise(5, 3, 4, 4), context)


def test_without_context_features_a_context_is_not_looked_at():
    net, x = perturbed(convnet()), noise(5, 3, 4, 4)
    assert torch.equal(net(x), net(x, noise(5, M)))


def test_input_stays_as_it_was():
    x = noise(5, 3, 4, 4, dtype=torch.float32)
    before = x.clone()
    convnet()(x)
    assert torch.equal(x, before)
