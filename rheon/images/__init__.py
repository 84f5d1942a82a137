"""x = images: reading them, dequantisation, :class:`ImageDensity`."""

from rheon.images.density import ImageDensity
from rheon.images.noise import Dequantised
from rheon.images.reading import ImageSet, read_images, write_images

__all__ = ["Dequantised", "ImageDensity", "ImageSet", "read_images", "write_images"]
