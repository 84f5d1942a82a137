"""The flows of tables: as many as there are members, each with weights of its own, or one's own."""

import pytest
import torch

from rheon.architectures import nice
from rheon.errors import RheonError
from rheon.tables.flows import check_name, new_flows


def test_each_member_starts_from_a_seed_of_its_own():
    first, second = new_flows("tabular", 100, 3, 0, 2, 7)
    assert first.recipe.arguments["seed"] == 7
    again = new_flows("tabular", 100, 3, 0, 1, 8)[0]
    assert all(torch.equal(p, q) for p, q in zip(second.parameters(), again.parameters(), strict=True))


def test_other_architectures_are_one_flow_that_takes_the_context():
    (flow,) = new_flows("spline", 100, 3, 2, 5, 0)
    assert (flow.recipe.name, flow.recipe.arguments["context_features"]) == ("spline_coupling", 2)
    (own,) = new_flows(lambda d: nice(d, couplings=2), 100, 3, 0, 5, 0)
    assert tuple(own.event_shape) == (3,)


def test_what_is_no_flow_of_tables_is_refused():
    for architecture in ("tabular", "spline", "nice", "realnvp", "spline_coupling", nice):
        check_name(architecture)
    with pytest.raises(RheonError, match="'glow' is not known for tables; there are spline, tabular"):
        check_name("glow")
    with pytest.raises(RheonError, match=r"must return a rheon\.Flow, it returned a Linear"):
        new_flows(lambda d: torch.nn.Linear(d, d), 100, 3, 0, 1, 0)
