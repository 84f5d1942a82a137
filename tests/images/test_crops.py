"""Crops: where they may lie, where they do lie, and that no pixel is in two parts."""

import numpy as np
import pytest
import torch

from rheon.errors import DataError
from rheon.images.crops import Crops, Region
from rheon.images.pixels import InMemory

RNG = np.random.default_rng(0)
SIZE = (4, 6)


def marked(sizes):
    """Pictures in which no two pixels of all are alike: three bytes say (picture, row, column)."""
    return InMemory(
        [
            np.stack(np.broadcast_arrays(i, np.arange(h)[:, None], np.arange(w)[None])).astype(np.uint8)
            for i, (h, w) in enumerate(sizes)
        ]
    )


def whole(sizes, size=SIZE):
    return Crops(marked(sizes), [Region(i, 0, 0, *s) for i, s in enumerate(sizes)], size)


def pixels(images):
    codes = images[:, 0].astype(np.int64) * 65536 + images[:, 1].astype(np.int64) * 256 + images[:, 2]
    return {(code >> 16, code >> 8 & 255, code & 255) for code in np.unique(codes).tolist()}


def all_drawn(crops, rounds=200):
    generator = torch.Generator().manual_seed(0)
    rows = np.arange(len(crops))
    return np.concatenate([crops.draw(rows, generator) for _ in range(rounds)])


def test_a_crop_is_a_piece_of_its_picture_as_it_is():
    crops = whole([(9, 8), (20, 7)])
    for image in (*crops[:], *all_drawn(crops, 3)):
        picture, top, left = image[:, 0, 0].astype(int)
        expected = crops.pictures.pixels(picture)[:, top : top + 4, left : left + 6]
        assert np.array_equal(image, expected)


def test_places_are_uniform_and_reach_every_edge():
    crops = whole([(8, 9)])
    drawn = all_drawn(crops, 2000)
    place = drawn[:, 1, 0, 0].astype(int) * 4 + drawn[:, 2, 0, 0]
    counts = np.bincount(place, minlength=20)
    assert len(counts) == 5 * 4
    # 20 cells: a chi-square above 46 comes by chance once in 2,000 times
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 46


def test_pictures_count_alike_and_small_ones_no_more_than_they_hold():
    counts = np.bincount(whole([(400, 600), (800, 900), (4, 6)]).pictures_of)
    assert counts.tolist() == [4096 // 3, 4096 // 3, 4]
    assert len(whole([(40, 60)] * 5000)) == 5000


def test_evaluation_has_fixed_crops_and_training_fresh_ones():
    crops = whole([(30, 30), (20, 40)])
    assert np.array_equal(crops[:], crops[:])
    assert np.array_equal(crops[[5, 2]], crops[:][[5, 2]])
    assert np.array_equal(crops[3], crops[:][3])
    assert np.array_equal(crops[3:9], whole([(30, 30), (20, 40)])[3:9])
    assert np.array_equal(np.asarray(crops), crops[:])
    rows = np.arange(50)
    first, again, other = (crops.draw(rows, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert crops[:0].shape == (0, 3, *SIZE)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", [[(24, 20)], [(12, 80), (50, 9), (30, 30)], [(20, 20)] * 25])
def test_no_pixel_is_in_two_parts(sizes, seed):
    crops = whole(sizes)
    (learn, _), (test, _) = crops.split(0.2, seed)
    (fit, _), (choose, _) = learn.split(0.1, seed)
    parts = [pixels(np.concatenate((all_drawn(part, 10), part[:]))) for part in (fit, choose, test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_many_pictures_are_split_as_pictures_and_few_by_strips():
    (learn, _), (test, _) = whole([(20, 20)] * 25).split(0.2, 0)
    assert len(np.unique(test.pictures_of)) == 5
    assert not set(test.pictures_of) & set(learn.pictures_of)
    (learn, rows), (test, _) = whole([(20, 100)] * 3).split(0.25, 0)
    assert set(test.pictures_of) == set(learn.pictures_of) == {0, 1, 2}
    columns = {pixel[2] for pixel in pixels(test[:]) if pixel[0] == 0}
    assert max(columns) - min(columns) <= 25
    assert np.array_equal(whole([(20, 100)] * 3).pictures_of[rows], learn.pictures_of)


def test_a_strip_is_never_narrower_than_a_crop():
    (_, _), (test, _) = whole([(10, 14)]).split(0.01, 0)
    assert test.shape[2:] == SIZE
    with pytest.raises(DataError, match="side by side"):
        whole([(7, 11)]).split(0.2, 0)


def test_rows_that_were_taken_keep_their_crops():
    crops = whole([(30, 30), (20, 40)])
    rows = np.array([9, 4, 200])
    part = crops.take(rows)
    assert np.array_equal(part[:], crops[:][rows])
    assert np.array_equal(part.take(np.array([2]))[:], crops[:][[200]])
    assert not np.array_equal(crops.identity(), part.identity())
    assert np.array_equal(crops.identity(), whole([(30, 30), (20, 40)]).identity())
