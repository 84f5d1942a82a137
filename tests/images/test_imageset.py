import numpy as np
import torch

from rheon.datasets import random_split
from rheon.images import read_images


def test_what_belongs_to_an_image_goes_with_it(tmp_path):
    from PIL import Image

    for i in range(10):
        (tmp_path / f"{i % 2}").mkdir(exist_ok=True)
        Image.new("L", (4, 4), i).save(tmp_path / f"{i % 2}" / f"{i}.png")
    found = read_images(tmp_path)
    for part in (found, *found.split(0.3, seed=1), found.take(np.array([7, 2]))):
        values = part.images[:, 0, 0, 0]
        assert [f"{v % 2}/{v}.png" for v in values] == list(part.names)
        assert part.labels.tolist() == [v % 2 for v in values]
        assert part.classes == ("0", "1")


def test_an_array_is_split_as_rows_are():
    digits = read_images("digits")
    rows = random_split(len(digits), 0.2, 5)
    for part, kept in zip(digits.split(0.2, 5), rows, strict=True):
        assert np.array_equal(part.images, digits.images[kept])
        assert np.array_equal(part.labels, digits.labels[kept])


def test_photos_bring_their_own_test_part_which_shares_no_pixel_with_the_rest():
    from rheon.datasets import load_photos

    photos = read_images("photos")
    learn, choose = photos.split(0.1, seed=3)
    assert photos.images.shape[1:] == photos.test.images.shape[1:] == (3, 32, 32)
    # The same regions, of pictures whose pixels say where they are.
    where = np.arange(427 * 640, dtype=np.int64).reshape(427, 640)
    seen = []
    for part in (learn, choose, photos.test):
        generator = torch.Generator().manual_seed(0)
        rows = np.arange(len(part))
        places = part.images._fixed(rows)
        for _ in range(20):
            places += part.images._drawn(rows, generator)
        seen.append(
            {
                (picture, pixel)
                for picture, top, left in places
                for pixel in where[top : top + 32, left : left + 32].ravel()[[0, 31, -32, -1]].tolist()
            }
        )
        columns = [left for _, _, left in places]
        inside = [256 <= left <= 384 - 32 for left in columns]
        assert all(inside) if part is photos.test else not any(224 < left < 384 for left in columns)
    assert not seen[0] & seen[1]
    picture = load_photos().pictures[0].transpose(2, 0, 1)
    first = photos.test.images._fixed(np.array([0]))[0]
    assert first[0] == 0
    crop = picture[:, first[1] : first[1] + 32, first[2] : first[2] + 32]
    assert np.array_equal(photos.test.images[0], crop)


def test_some_is_all_of_an_array_and_what_fits_of_others():
    digits, photos = read_images("digits"), read_images("photos")
    assert digits.some(10) is digits.images
    assert photos.some(3072 * 20).shape == (20, 3, 32, 32)
    assert photos.some(1 << 40).shape[0] == len(photos)
    assert np.array_equal(photos.array, photos.images[:])
