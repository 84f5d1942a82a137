import torch
from hypothesis import given
from hypothesis import strategies as st

from rheon.training.order import Order


@given(rows=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 2**40))
def test_every_row_comes_once_in_every_epoch(rows, batch, seed):
    order = Order(rows, batch, seed)
    size = min(rows, batch)
    assert order.batch_size == size
    stream = torch.cat([order.rows(step) for step in range(3 * rows)])  # whole epochs: 3 * size of them
    assert len(stream) == 3 * rows * size
    for epoch in stream.view(-1, rows):
        assert sorted(epoch.tolist()) == list(range(rows))


def test_a_step_takes_the_same_rows_whatever_was_asked_before():
    forwards = Order(10, 4, seed=3)
    rows = {step: forwards.rows(step).tolist() for step in range(30)}
    backwards = Order(10, 4, seed=3)
    assert {step: backwards.rows(step).tolist() for step in reversed(range(30))} == rows
    assert Order(10, 4, seed=3).rows(17).tolist() == rows[17]


def test_epochs_and_seeds_are_shuffled_differently():
    order = Order(50, 50, seed=0)
    first, second, other = order.rows(0), order.rows(1), Order(50, 50, seed=1).rows(0)
    assert len({tuple(r.tolist()) for r in (first, second, other, torch.arange(50))}) == 4


def test_no_more_than_two_epochs_are_held():
    order = Order(10, 10, seed=0)
    for step in range(20):
        order.rows(step)
    assert len(order._epochs) <= 2
