import pytest
import torch

from rheon.errors import RheonError
from rheon.training import Rows


def test_rows_come_as_asked_and_as_copies():
    x, context = torch.arange(12.0).view(4, 3), torch.arange(8.0).view(4, 2)
    source = Rows(x, context)
    got, got_context = source.batch(torch.tensor([2, 0]), torch.Generator())
    assert len(source) == 4
    assert got.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert got_context.tolist() == [[4, 5], [0, 1]]
    got.zero_()
    assert x.tolist() == torch.arange(12.0).view(4, 3).tolist()


def test_noise_has_the_deviation_that_was_asked_for_and_follows_the_generator():
    x = torch.full((50_000, 2), 7.0)
    source = Rows(x, noise=0.25)
    every = torch.arange(50_000)
    noise = source.batch(every, torch.Generator().manual_seed(1))[0] - 7.0
    assert abs(noise.std().item() - 0.25) < 6 * 0.25 / (2 * 100_000) ** 0.5
    assert abs(noise.mean().item()) < 6 * 0.25 / 100_000**0.5
    assert torch.equal(source.batch(every, torch.Generator().manual_seed(1))[0] - 7.0, noise)
    assert bool((x == 7.0).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": torch.zeros(3, dtype=torch.uint8)}, "torch.uint8"),
        ({"x": torch.zeros(3, 1), "context": torch.zeros(2, 1)}, "each of the 3 rows of x, not 2"),
        ({"x": torch.zeros(3, 1), "noise": -1.0}, "0 or above, not -1.0"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(RheonError, match=message):
        Rows(**arguments)
