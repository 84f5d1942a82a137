import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from rheon.plots import png


def test_a_picture_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    read = Image.open(io.BytesIO(png(Image.fromarray(pixels))))
    np.testing.assert_array_equal(np.asarray(read), pixels)


def test_a_figure_without_a_window_and_without_a_trace():
    import sys

    data = png(Figure((2, 1)))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (240, 120)
        assert not {"Software", "Creation Time"} & set(image.info)
    assert "matplotlib.pyplot" not in sys.modules
