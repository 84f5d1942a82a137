import pytest
import torch

from rheon.training import Settings, threads
from rheon.training.threads import choose_threads, lent_threads, measured_seconds


def test_the_number_is_lent_and_comes_back_after_an_exception_too():
    with lent_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1
    with pytest.raises(KeyError), lent_threads(2):
        raise KeyError
    assert torch.get_num_threads() == 1


def test_a_number_in_the_settings_is_taken_without_measuring(normal):
    def batch(step):
        raise AssertionError("no step is to be tried")

    assert choose_threads(normal, batch, Settings(threads=3)) == 3
    assert choose_threads(normal, batch, Settings()) == 1  # the caller allows no more


@pytest.mark.parametrize(("seconds", "chosen"), [((1.0, 0.5), 2), ((1.0, 0.95), 1), ((1.0, 3.0), 1)])
def test_the_faster_number_is_taken_and_the_smaller_one_when_in_doubt(
    normal, rows, monkeypatch, seconds, chosen
):
    monkeypatch.setattr(
        threads, "measured_seconds", lambda step, counts: dict(zip(counts, seconds, strict=True))
    )
    with lent_threads(2):
        assert choose_threads(normal, lambda step: (rows, None), Settings()) == chosen


@pytest.mark.usefixtures("untouched_rng")
def test_measuring_runs_each_number_and_leaves_the_flow_alone(normal, rows):
    seen = set()

    def batch(step):
        seen.add(torch.get_num_threads())
        return rows, None

    before = {name: (p.data_ptr(), p.tolist()) for name, p in normal.named_parameters()}
    with lent_threads(2):
        assert choose_threads(normal, batch, Settings()) in (1, 2)
        assert torch.get_num_threads() == 2
    assert seen == {1, 2}
    assert {name: (p.data_ptr(), p.tolist()) for name, p in normal.named_parameters()} == before
    assert all(p.grad is None for p in normal.parameters())


def test_what_is_slow_is_measured_as_slow_and_soon_given_up(monkeypatch):
    now = 0.0

    def step(index):
        nonlocal now
        now += 10.0 / torch.get_num_threads()

    monkeypatch.setattr(threads.time, "perf_counter", lambda: now)
    assert measured_seconds(step, (1, 2)) == {1: 10.0, 2: 5.0}
    assert now == 2 * 10.0 + 2 * 5.0  # one step to warm up and one that counts, of each
