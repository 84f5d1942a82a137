"""Data that need no download: two-dimensional densities that are known exactly, and handwritten digits."""

from rheon.datasets.digits import Digits, load_digits, random_split
from rheon.datasets.toys import TOYS, Checkerboard, EightGaussians, Moons, Pinwheel, Rings, Toy

__all__ = [
    "TOYS",
    "Checkerboard",
    "Digits",
    "EightGaussians",
    "Moons",
    "Pinwheel",
    "Rings",
    "Toy",
    "load_digits",
    "random_split",
]
