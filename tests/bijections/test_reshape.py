import numpy as np
import pytest
import torch

from rheon.bijections import Flatten, Permutation, Squeeze
from rheon.errors import RheonError
from tests.contracts import noise


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel()).view(1, *shape)


def test_natural_squeeze_puts_phase_2dy_dx_of_channel_c_at_4c_2dy_dx():
    x = numbered(3, 4, 6)
    z, log_det = Squeeze()(x.double())
    assert z.shape == (1, 12, 2, 3)
    assert not log_det.any()
    for c in range(3):
        for dy in range(2):
            for dx in range(2):
                for i in range(2):
                    for j in range(3):
                        assert z[0, 4 * c + 2 * dy + dx, i, j] == x[0, c, 2 * i + dy, 2 * j + dx]


def test_diagonal_squeeze_puts_phase_after_phase_the_even_pixels_first():
    x = numbered(3, 4, 6)
    z, _ = Squeeze("diagonal")(x.double())
    for k, (dy, dx) in enumerate([(0, 0), (1, 1), (0, 1), (1, 0)]):
        for c in range(3):
            for i in range(2):
                for j in range(3):
                    assert z[0, 3 * k + c, i, j] == x[0, c, 2 * i + dy, 2 * j + dx]
    parity = np.add.outer(np.arange(4), np.arange(6)) % 2
    assert set(z[0, :6].flatten().tolist()) == set(x[0].numpy()[:, parity == 0].ravel().tolist())


@pytest.mark.parametrize("order", ["natural", "diagonal"])
def test_squeeze_comes_back_bit_for_bit(order):
    squeeze, x = Squeeze(order), noise(2, 3, 6, 4)
    assert torch.equal(squeeze.inverse(squeeze(x)[0])[0], x)


@pytest.mark.parametrize("shape", [(1, 3, 4), (1, 4, 3), (16,), (1, 1, 4, 4)])
def test_squeeze_refuses_odd_sizes_and_what_is_no_image(shape):
    with pytest.raises(RheonError, match="H and W even"):
        Squeeze().latent_shapes(shape)


def test_squeeze_names_its_orders():
    with pytest.raises(RheonError, match="'natural' or 'diagonal'"):
        Squeeze("zigzag")


def test_flatten_goes_row_by_row():
    x = noise(2, 3, 2, 4)
    z, log_det = Flatten((3, 2, 4))(x)
    assert z[1, 1 * 8 + 1 * 4 + 2] == x[1, 1, 1, 2]
    assert not log_det.any()
    assert torch.equal(Flatten((3, 2, 4)).inverse(z)[0], x)


def test_permutation_is_its_formula():
    order = [2, 0, 3, 1]
    for x in (noise(3, 4), noise(3, 4, 2, 2)):
        z, log_det = Permutation(order)(x)
        for i, source in enumerate(order):
            assert torch.equal(z[:, i], x[:, source])
        assert not log_det.any()
        assert torch.equal(Permutation(order).inverse(z)[0], x)


@pytest.mark.parametrize("order", [[], [0, 0], [1, 2], [0, 2], [-1, 0], [0.5, 1]])
def test_what_is_no_permutation_is_refused(order):
    with pytest.raises(RheonError, match="permutation of 0"):
        Permutation(order)


def test_permutation_takes_an_array():
    x = noise(2, 3)
    assert torch.equal(Permutation(np.array([2, 0, 1]))(x)[0], x[:, [2, 0, 1]])
