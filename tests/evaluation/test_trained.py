"""The battery passes on what rheon's models learn: behind a logit, samples come near its domain's edges."""

import numpy as np
import pytest
import torch

from rheon import ImageDensity, TableDensity
from rheon.evaluation import check_flow


@pytest.mark.parametrize("architecture", ["realnvp", "spline", "nice"])
def test_flows_of_images_pass(architecture):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (200, 4, 4)) * (rng.random((200, 4, 4)) < 0.3)
    model = ImageDensity(architecture, levels=17).fit(images.astype(np.uint8), steps=30)
    check_flow(model.fitted).raise_if_failed()
    if architecture == "nice":
        rows = torch.from_numpy(images[:64, None] + rng.random((64, 1, 4, 4)))
        check_flow(model.fitted, rows).raise_if_failed()


def test_the_flow_of_a_table_passes():
    rng = np.random.default_rng(0)
    a = rng.normal(size=300)
    rows = np.stack((1e3 * np.exp(a), a + 0.1 * rng.normal(size=300), rng.random(300)), 1)
    model = TableDensity().fit(rows, steps=30)
    check_flow(model.fitted).raise_if_failed()
