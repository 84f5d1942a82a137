import numpy as np
from sklearn.datasets import load_sample_images

from rheon.datasets import load_photos


def test_photos_are_those_of_scikit_learn():
    photos, theirs = load_photos(), load_sample_images()
    for picture, expected in zip(photos.pictures, theirs.images, strict=True):
        assert np.array_equal(picture, expected)
        assert picture.flags.writeable, "a copy"
    assert photos.names == ("china.jpg", "flower.jpg")
