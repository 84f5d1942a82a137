import math
from itertools import pairwise

import pytest

from rheon.training.schedule import learning_rate


def test_values_worked_out_by_hand():
    rate = {t: learning_rate(t, peak=0.8, warmup=0.1) for t in (0.0, 0.025, 0.05, 0.1, 0.4, 0.55, 0.7, 1.0)}
    expected = {0.0: 0.0, 0.025: 0.2, 0.05: 0.4, 0.1: 0.8, 0.4: 0.6, 0.55: 0.4, 0.7: 0.2, 1.0: 0.0}
    assert rate == pytest.approx(expected, abs=1e-12)  # cos 60° = 1/2, cos 90° = 0, cos 120° = -1/2


def test_without_warm_up_it_starts_at_the_peak():
    assert learning_rate(0.0, peak=0.3, warmup=0.0) == 0.3


def test_it_never_jumps_and_never_goes_below_zero():
    rates = [learning_rate(t / 10_000, peak=1.0, warmup=0.05) for t in range(10_001)]
    steepest = max(1 / 0.05, math.pi / 2 / 0.95) / 10_000
    assert max(abs(a - b) for a, b in pairwise(rates)) < 1.01 * steepest
    assert min(rates) >= 0.0
    assert learning_rate(1.0 + 1e-9, peak=1.0, warmup=0.05) >= 0.0
