"""x = images: reading, dequantisation, :class:`ImageDensity`, what it holds, how odd images are to it."""

from rheon.images.anomaly import anomaly_scores
from rheon.images.augment import Augmentation, Flip, Shift
from rheon.images.density import ImageDensity
from rheon.images.looks import at_temperatures, bits_map, interpolation, nearest, reconstruction, scales
from rheon.images.noise import Dequantised
from rheon.images.reading import ImageSet, Preparation, read_images, write_images

__all__ = [
    "Augmentation",
    "Dequantised",
    "Flip",
    "ImageDensity",
    "ImageSet",
    "Preparation",
    "Shift",
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
