"""Rows of which a density, a map and a detector can be told to be right."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def rows():
    """A ring of radius 1 and width 0.1: dense where a normal distribution is, and empty in its middle."""
    rng = np.random.default_rng(1)
    angle, radius = rng.uniform(0, 2 * np.pi, 600), 1 + 0.1 * rng.normal(size=600)
    return radius[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
