"""Data that need no download: densities in the plane that are known exactly, digits, photographs."""

from rheon.datasets.digits import Digits, load_digits, random_split
from rheon.datasets.photos import Photos, load_photos
from rheon.datasets.toys import TOYS, Checkerboard, EightGaussians, Moons, Pinwheel, Rings, Toy

__all__ = [
    "TOYS",
    "Checkerboard",
    "Digits",
    "EightGaussians",
    "Moons",
    "Photos",
    "Pinwheel",
    "Rings",
    "Toy",
    "load_digits",
    "load_photos",
    "random_split",
]
