"""Data that need no download: densities in the plane that are known exactly, digits, photographs, tables."""

from rheon.datasets.digits import Digits, load_digits, random_split
from rheon.datasets.photos import Photos, load_photos
from rheon.datasets.tables import TABLES, clinic, load_table
from rheon.datasets.toys import TOYS, Checkerboard, EightGaussians, Moons, Pinwheel, Rings, Toy

__all__ = [
    "TABLES",
    "TOYS",
    "Checkerboard",
    "Digits",
    "EightGaussians",
    "Moons",
    "Photos",
    "Pinwheel",
    "Rings",
    "Toy",
    "clinic",
    "load_digits",
    "load_photos",
    "load_table",
    "random_split",
]
