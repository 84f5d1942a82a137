import math

import numpy as np
import pytest

from rheon.training import Unit


def test_bits_per_dim_are_those_of_the_definition():
    assert Unit.bits_per_dim((3, 4, 5))(7.0) == pytest.approx(7.0 / (60 * math.log(2)))


def test_mean_log_prob_is_in_the_units_of_the_data():
    scale = np.array([2.0, 5.0])  # z = x / scale, so log p(x) = log p(z) - Σ log scale
    assert Unit.mean_log_prob(-np.log(scale).sum())(1.5) == pytest.approx(-1.5 - math.log(10))
