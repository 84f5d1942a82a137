from rheon.architectures import tabular
from rheon.tables.sizing import network, smoothing


def test_networks_have_no_more_weights_than_numbers_to_learn_from():
    for n, d in [(2000, 10), (5000, 13), (40_000, 9), (100_000, 63)]:
        weights = sum(p.numel() for p in tabular(d, **network(n, d)).parameters())
        assert weights < 1.5 * n * d


def test_the_fewer_the_rows_the_more_they_are_smoothed():
    levels = [smoothing(n) for n in (200, 1500, 3000, 10_000, 40_000)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == levels[1] == 0.3
    assert levels[-1] == 0
