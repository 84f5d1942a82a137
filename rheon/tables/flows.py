"""The flows that a table may be learned by."""

from collections.abc import Callable

from rheon.architectures import ARCHITECTURES, tabular
from rheon.errors import RheonError, hint
from rheon.flow import Flow
from rheon.tables.sizing import network

Architecture = Callable[[int], Flow]
"""A function of the number of columns that returns a flow."""

SHORT = {"spline": "spline_coupling"}

FOR_TABLES = ("tabular", "nice", "realnvp", "spline_coupling")


def check_name(architecture: str | Architecture) -> None:
    """Refuses a name that is of no architecture for tables."""
    if isinstance(architecture, str) and SHORT.get(architecture, architecture) not in FOR_TABLES:
        known = hint(architecture, (*SHORT, *FOR_TABLES))
        raise RheonError(f"architecture {architecture!r} is not known for tables; {known}")


def new_flows(
    architecture: str | Architecture, rows: int, features: int, given: int, members: int, seed: int
) -> list[Flow]:
    """The untrained flows; a function of the user's own decides its initial weights itself."""
    if architecture == "tabular":
        size = network(rows, features)
        return [tabular(features, **size, context_features=given, seed=seed + k) for k in range(members)]
    if isinstance(architecture, str):
        name = SHORT.get(architecture, architecture)
        return [ARCHITECTURES[name](features, context_features=given, seed=seed)]
    flow = architecture(features)
    if not isinstance(flow, Flow):
        raise RheonError(f"architecture must return a rheon.Flow, it returned a {type(flow).__name__}.")
    return [flow]
