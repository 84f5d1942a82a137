"""The two photographs that scikit-learn carries: colour, with the statistics of natural images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Photos:
    """Two photographs, uint8 (427, 640, 3), and the columns of both that are kept apart to test on.

    A crop of a test strip shares no pixel with any crop of the rest.
    """

    pictures: tuple[NDArray[np.uint8], ...]
    names: tuple[str, ...]
    test_columns: tuple[int, int] = (256, 384)


def load_photos() -> Photos:
    """Scikit-learn's ``china.jpg`` and ``flower.jpg``.

    >>> photos = load_photos()
    >>> [picture.shape for picture in photos.pictures], photos.names
    ([(427, 640, 3), (427, 640, 3)], ('china.jpg', 'flower.jpg'))
    """
    from sklearn import datasets  # loaded when used: it is slow to import

    bunch = datasets.load_sample_images()
    names = tuple(name.replace("\\", "/").rsplit("/", 1)[-1] for name in bunch.filenames)
    return Photos(tuple(np.array(picture, np.uint8) for picture in bunch.images), names)
