"""The battery passes on what rheon's models learn: behind a logit, samples come near its domain's edges."""

import math

import numpy as np
import pytest
import torch

from rheon import ImageDensity, TableDensity
from rheon.bijections import Composition, Logit, LULinear, Scaling
from rheon.distributions import StandardNormal
from rheon.evaluation import check_flow
from rheon.flow import Flow


@pytest.mark.parametrize("architecture", ["image_flow", "realnvp", "spline", "nice"])
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


def test_rows_of_which_rounding_takes_several_scalars_out_of_the_domain_are_no_fault():
    # The edge lies at 0.95/0.45 = 2.1111111, float32's next number at 2.1111112: a logit of 20 goes out.
    flow = Flow(Composition([Logit(2, alpha=0.05), Scaling(8), LULinear(8)]), StandardNormal(8))
    with torch.no_grad():
        flow.bijection.bijections[1].log_scale.fill_(-1.0)
    x = flow.double().bijection.inverse(
        torch.cat((torch.full((1, 8), 20 * math.exp(-1.0)), 0.3 * torch.randn(40, 8))).double()
    )[0]
    assert not flow.log_prob(x.float().double()).isfinite()[0]
    assert flow.log_prob(x).isfinite().all()
    report = check_flow(flow.float(), x)
    check = next(check for check in report.checks if check.name == "round trip in float32")
    assert check.passed, check
