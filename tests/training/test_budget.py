import pytest

from rheon.training import Settings
from rheon.training.budget import Budget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_in_steps_goes_by_steps_whatever_the_time():
    clock = Clock()
    budget = Budget(Settings(steps=4), clock)
    clock.now += 10.0
    budget.begin_steps()
    clock.now += 6.0
    assert [budget.progress(step) for step in range(4)] == [0.125, 0.375, 0.625, 0.875]
    assert [budget.over(steps) for steps in (0, 3, 4)] == [False, False, True]
    assert budget.seconds == 16.0
    assert budget.pace(3) == 2.0  # without the ten seconds before the first step
    assert budget.remaining(3) == 2.0
    assert budget.spend(steps=0.5, seconds=1e9) == 0.125
    assert not budget.over(3)


def test_a_budget_in_minutes_goes_by_the_clock_whatever_the_steps():
    clock = Clock()
    budget = Budget(Settings(minutes=2), clock)
    clock.now += 30.0
    assert budget.progress(10**9) == 0.25
    assert budget.remaining(10**9) == 90.0
    clock.now += 89.0
    assert not budget.over(10**9)
    clock.now += 1.0
    assert budget.over(0)
    clock.now += 50.0
    assert (budget.progress(0), budget.remaining(0)) == (1.0, 0.0)


def test_the_last_validation_fits_into_the_minutes():
    clock = Clock()
    budget = Budget(Settings(minutes=2), clock)
    assert budget.spend(steps=1e9, seconds=20.0) == pytest.approx(1 / 6)
    clock.now += 50.0
    assert budget.progress(0) == 0.5
    clock.now += 50.0
    assert budget.progress(0) == 1.0
    assert budget.over(0)
    assert budget.remaining(0) == 20.0
