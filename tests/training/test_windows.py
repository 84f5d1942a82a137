import numpy as np
import pytest
import torch

from rheon.training.windows import Windows

LENGTHS, WITHOUT = [5, 7, 1, 4, 6, 2], [0, 5, 12, 13, 24]
LEFT = sorted(set(range(25)) - set(WITHOUT))


def windows(batch_size=4, width=2, seed=3):
    return Windows(LENGTHS, WITHOUT, width, batch_size, seed)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 20, 100])
@pytest.mark.parametrize("width", [1, 2, 4, 100])
def test_each_row_comes_once_an_epoch(batch_size, width):
    order = windows(batch_size, width)
    assert order.batch_size == min(batch_size, len(LEFT))
    steps = 3 * len(LEFT)
    stream = torch.cat([order.rows(step) for step in range(steps)]).tolist()
    assert len(stream) == steps * order.batch_size
    for epoch in range(3):
        assert sorted(stream[epoch * 20 : (epoch + 1) * 20]) == LEFT
    assert stream[:20] != stream[20:40]


def test_a_step_depends_on_nothing_but_its_number():
    order, steps = windows(), list(range(30))
    wanted = [order.rows(step).tolist() for step in steps]
    np.random.default_rng(0).shuffle(steps)
    for step in steps:
        assert order.rows(step).tolist() == wanted[step]
        assert windows().rows(step).tolist() == wanted[step], "a new process goes on with the same"
    assert windows(seed=4).rows(0).tolist() != wanted[0]


def test_rows_of_a_window_come_from_its_blocks_only():
    order = windows(batch_size=1, width=2)
    edges = np.cumsum(LENGTHS)
    seen = []
    for step in range(20):
        row = int(order.rows(step))
        assert int(np.searchsorted(edges, row, side="right")) in order.blocks
        assert len(order.blocks) <= 2
        if order.blocks not in seen:
            seen.append(order.blocks)
    assert sorted(block for blocks in seen for block in blocks) == [0, 1, 2, 3, 4, 5]


def test_a_window_is_shuffled_across_its_blocks():
    order = Windows([1000, 1000], [], width=2, batch_size=100, seed=0)
    share = (order.rows(0) < 1000).double().mean()
    assert 0.3 < share < 0.7
    assert order.rows(0).tolist() != sorted(order.rows(0).tolist())


def test_the_global_random_state_is_left_alone(untouched_rng):
    windows().rows(5)
