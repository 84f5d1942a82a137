from itertools import pairwise

import pytest
import torch

from rheon.training import randomness
from rheon.training.randomness import Stream, lent_global_rng, mixed, step_generator


def test_the_streams_are_fixed_for_ever():
    """A run that is taken up by a later version has to draw the same: NumPy promises this of SeedSequence."""
    assert [stream.value for stream in Stream] == [0, 1, 2, 3, 4]
    assert mixed(0, Stream.STEP, 0) == 0x3245AF4A_27A76C19


def test_the_numbers_of_a_stream_are_those_of_splitmix64(monkeypatch):
    monkeypatch.setattr(randomness, "_start", lambda _seed, _stream: 1234567)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [mixed(0, Stream.STEP, index) for index in range(4)] == published


def test_near_inputs_give_unrelated_seeds():
    seeds = [mixed(seed, stream, i) for seed in range(4) for stream in Stream for i in range(256)]
    assert len({seed & 0xFFFFFFFF for seed in seeds}) == len(seeds)  # the CPU's generator uses 32 bits
    flipped = [(a ^ b).bit_count() for a, b in pairwise(seeds)]
    # 64 fair coins: mean 32, standard deviation of the mean of 4095 of them 4 / 64
    assert abs(sum(flipped) / len(flipped) - 32) < 6 * 4 / 64


def test_a_step_draws_by_seed_and_number_alone():
    draws = {
        (seed, step): torch.rand(4, generator=step_generator(seed, step))
        for seed in (0, 1)
        for step in (0, 1)
    }
    torch.rand(100)
    for (seed, step), drawn in draws.items():
        assert torch.equal(torch.rand(4, generator=step_generator(seed, step)), drawn)
    assert len({tuple(drawn.tolist()) for drawn in draws.values()}) == 4


@pytest.mark.usefixtures("untouched_rng")
def test_the_global_generator_is_lent_and_comes_back():
    cpu = torch.device("cpu")
    with lent_global_rng(0, 5, cpu):
        first = torch.rand(3)
    with lent_global_rng(0, 5, cpu):
        assert torch.equal(torch.rand(3), first)
    with pytest.raises(ZeroDivisionError), lent_global_rng(0, 5, cpu):
        torch.rand(3 // 0)
    with lent_global_rng(0, 6, cpu):
        assert not torch.equal(torch.rand(3), first)
