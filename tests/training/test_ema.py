from fractions import Fraction

import pytest
import torch

from rheon.training.ema import Average


def test_values_worked_out_with_fractions():
    weights, seen = torch.zeros(1, dtype=torch.float64), [Fraction(3), Fraction(-1), Fraction(7), Fraction(2)]
    average = Average([weights], decay=0.2)
    expected = Fraction(0)
    for t, value in enumerate(seen):
        decay = min(Fraction(1, 5), Fraction(1 + t, 10 + t))  # 1/10, 2/11, then 1/5 for ever
        expected = decay * expected + (1 - decay) * value
        weights.fill_(float(value))
        average.update()
    assert average.values[0].item() == pytest.approx(float(expected), rel=1e-14)


def test_what_is_averaged_stays_as_it_is_and_no_average_is_a_copy():
    weights = [torch.ones(2), torch.ones(3)]
    average = Average(weights, decay=0.0)
    weights[1].fill_(5.0)
    assert [value.tolist() for value in average.values] == [[1, 1], [1, 1, 1]]
    average.update()
    assert [value.tolist() for value in average.values] == [[1, 1], [5, 5, 5]]
    assert [weight.tolist() for weight in weights] == [[1, 1], [5, 5, 5]]
