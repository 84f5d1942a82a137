"""x = images: reading, dequantisation, :class:`ImageDensity`, what it holds, how odd images are to it."""

from rheon.images.anomaly import anomaly_scores
from rheon.images.density import ImageDensity
from rheon.images.looks import at_temperatures, bits_map, interpolation, nearest, reconstruction, scales
from rheon.images.noise import Dequantised
from rheon.images.reading import ImageSet, read_images, write_images

__all__ = [
    "Dequantised",
    "ImageDensity",
    "ImageSet",
    "anomaly_scores",
    "at_temperatures",
    "bits_map",
    "interpolation",
    "nearest",
    "read_images",
    "reconstruction",
    "scales",
    "write_images",
]
