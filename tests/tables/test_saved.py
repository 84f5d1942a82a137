"""What is on disk of a density of real columns: also as version 0.1 wrote it."""

import pytest
import torch

from rheon.architectures import nice
from rheon.errors import ModelError
from rheon.tables.continuous import Continuous
from rheon.tables.saved import Saved, grouped, joined

ROWS = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_groups_have_one_level():
    groups = {"a": {"b.c": torch.zeros(1)}, "d": {"e": torch.ones(1)}}
    assert set(joined(groups)) == {"a.b.c", "d.e"}
    assert grouped(joined(groups)) == groups


def test_version_0_1_standardised_and_had_one_flow():
    flow = nice(2, couplings=2, base="normal")  # the identity
    mean = torch.tensor([3.0, -1.0], dtype=torch.float64)
    scale = torch.tensor([2.0, 0.5], dtype=torch.float64)
    config = {"architecture": {"name": "nice", "arguments": dict(flow.recipe.arguments)}}
    tensors = {f"flow.{name}": t for name, t in flow.state_dict().items()} | {"mean": mean, "scale": scale}
    log_p = Continuous.from_files(config, tensors).log_prob(ROWS)
    normal = torch.distributions.Normal(mean, scale)
    torch.testing.assert_close(log_p, normal.log_prob(ROWS).sum(1), rtol=0, atol=1e-5)


def test_what_is_lacking_is_named():
    with pytest.raises(ModelError, match="lacks 'architecture'"):
        Saved.read({"members": 1}, {})
    with pytest.raises(ModelError, match="lacks 'columns'"):
        Saved.read({"members": 1, "architecture": {"name": "nice", "arguments": {}}}, {})
