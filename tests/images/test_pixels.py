import threading
import time

import numpy as np
import pytest
import torch

from rheon.errors import DataError
from rheon.images.crops import Crops, Region
from rheon.images.pixels import InMemory, Scaled

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (3, 10, 12), dtype=np.uint8) for _ in range(6)]


class Slow(InMemory):
    """Pictures whose decoding takes as long as chance will have it, and is counted."""

    in_memory = False

    def __init__(self):
        super().__init__(PICTURES)
        self.threads, self.asked = set(), []

    def pixels(self, index):
        self.threads.add(threading.current_thread().name)
        self.asked.append(index)
        time.sleep(RNG.random() * 0.002)
        return PICTURES[index]


def crops(pictures):
    return Crops(pictures, [Region(i, 0, 0, 10, 12) for i in range(6)], (4, 4))


def batches(pixels, expected, steps=12):
    """What training draws, each step announced or not."""
    found = []
    for step in range(steps):
        rows = np.random.default_rng(step).integers(0, len(pixels), 9)
        found.append(pixels.draw(rows, torch.Generator().manual_seed(step)))
        if expected(step):
            rows = np.random.default_rng(step + 1).integers(0, len(pixels), 9)
            pixels.expect(rows, torch.Generator().manual_seed(step + 1))
    return np.stack(found)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_do_not_depend_on_the_workers_nor_on_what_was_announced(workers, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: workers)
    expected = batches(crops(InMemory(PICTURES)), lambda step: False)
    for announced in (lambda step: True, lambda step: False, lambda step: step % 2):
        slow = Slow()
        assert np.array_equal(batches(crops(slow), announced), expected)
        assert 1 <= len(slow.threads) <= workers
        assert all(name.startswith("rheon-decode") for name in slow.threads)


def test_what_was_announced_is_decoded_once_and_before_it_is_asked_for():
    slow = Slow()
    pixels = crops(slow)
    rows = np.arange(7)
    pixels.expect(rows, torch.Generator().manual_seed(0))
    while len(slow.asked) < 7:
        time.sleep(0.001)
    pixels.draw(rows, torch.Generator().manual_seed(0))
    assert len(slow.asked) == 7


def test_a_crop_does_not_hold_its_picture():
    image = crops(Slow())._image((0, 2, 3))
    assert image.base is None
    assert np.array_equal(image, PICTURES[0][:, 2:6, 3:7])


def test_what_was_announced_for_other_rows_is_not_given():
    pixels, rows = crops(Slow()), 20 * np.arange(7)
    pixels.expect(rows[::-1].copy(), torch.Generator().manual_seed(0))
    given = pixels.draw(rows, torch.Generator().manual_seed(0))
    assert np.array_equal(given, crops(InMemory(PICTURES)).draw(rows, torch.Generator().manual_seed(0)))


def test_an_announced_picture_that_fails_fails_where_it_is_asked_for():
    class Broken(Slow):
        def pixels(self, index):
            raise DataError("3.png: truncated")

    pixels = crops(Broken())
    pixels.expect(np.arange(3), torch.Generator().manual_seed(0))
    with pytest.raises(DataError, match=r"3\.png"):
        pixels.draw(np.arange(3), torch.Generator().manual_seed(0))


def test_scaled_is_looked_at_as_an_array():
    array, scaled = np.stack(PICTURES), Scaled(InMemory(PICTURES))
    assert scaled.shape == array.shape
    assert len(scaled) == 6
    for rows in (2, slice(1, 4), slice(None), [4, 0], np.array([5, 5]), array[:, 0, 0, 0] > 100):
        assert np.array_equal(scaled[rows], array[rows])
    (learn, first), (held_out, second) = scaled.split(0.3, seed=4)
    assert np.array_equal(np.sort(np.concatenate((first, second))), np.arange(6))
    assert np.array_equal(learn[:], array[first])
    assert np.array_equal(held_out[:], array[second])
    assert not np.array_equal(learn.identity(), held_out.identity())


def test_identity_tells_pictures_apart():
    other = [picture.copy() for picture in PICTURES]
    other[3][0, 0, 0] ^= 1
    same, different = ([p.copy() for p in PICTURES], other)
    assert InMemory(PICTURES).identity() == InMemory(same).identity()
    assert InMemory(PICTURES).identity() != InMemory(different).identity()
