"""What a model directory says of a density of real columns: read with suspicion, whole or not at all."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from rheon.architectures import build
from rheon.errors import ModelError
from rheon.flow import Flow
from rheon.storage import load_module
from rheon.tables.floor import Floor
from rheon.tables.flows import FOR_TABLES
from rheon.tables.preprocessing import Preprocessing, standardising
from rheon.tables.sizing import FOLDS

Groups = dict[str, dict[str, Tensor]]
"""Tensors by the part of the model that they are of, and by their name in it."""


def joined(groups: Groups) -> dict[str, Tensor]:
    """All tensors by one name: the group's, a dot, their own."""
    return {f"{group}.{name}": t for group, named in groups.items() for name, t in named.items()}


def grouped(tensors: dict[str, Tensor]) -> Groups:
    """What ``joined`` was given."""
    groups: Groups = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    return groups


@dataclass(frozen=True)
class Saved:
    """The parts of a :class:`~rheon.tables.continuous.Continuous`, by its names, as files have them."""

    flows: list[Flow]
    preprocessing: Preprocessing
    given: Preprocessing | None
    floor: Floor | None
    weight: float
    log_det: float

    @classmethod
    def read(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> "Saved":
        """Builds what :meth:`config` and :meth:`tensors` gave.

        Raises:
            ModelError: they lack something, or do not fit one another.
        """
        groups = grouped(_of_this_version(config, tensors))
        try:
            name, arguments = config["architecture"]["name"], config["architecture"]["arguments"]
            members, weight = config.get("members", 1), config.get("flow_weight", 1.0)
            preprocessing = Preprocessing.from_tensors(groups.pop("columns"))
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        if name not in FOR_TABLES:
            raise ModelError(
                f"config.json names the architecture {name!r}, which this rheon has not for tables."
            )
        if type(members) is not int or not 1 <= members <= FOLDS or not isinstance(weight, float):
            raise ModelError("config.json must give the number of members, and the weight of the flows.")
        if set(groups) - {"given", "floor"} != {f"flow{k}" for k in range(members)}:
            raise ModelError("the weights are not those of the flows that config.json names.")
        features = preprocessing.features
        given = Preprocessing.from_tensors(groups["given"]) if "given" in groups else None
        floor = Floor.from_tensors(groups["floor"], preprocessing) if "floor" in groups else None
        if not 0 < weight <= 1 or (weight == 1) != (floor is None):
            raise ModelError(f"config.json gives the flows a weight of {weight}, which does not fit.")
        flows = [
            load_module(lambda: build(name, arguments), groups[f"flow{k}"]).eval() for k in range(members)
        ]
        if any(tuple(flow.event_shape) != (features,) for flow in flows):
            raise ModelError(f"the preprocessing has {features} columns, the flow takes another number.")
        return cls(flows, preprocessing, given, floor, weight, config.get("log_det", 0.0))

    def config(self) -> dict[str, Any]:
        """Plain facts for config.json."""
        recipe = self.flows[0].recipe
        assert recipe is not None
        return {
            "architecture": {"name": recipe.name, "arguments": dict(recipe.arguments)},
            "members": len(self.flows),
            "flow_weight": self.weight,
            "log_det": self.log_det,
        }

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        groups: Groups = {"columns": self.preprocessing.tensors()}
        if self.given is not None:
            groups["given"] = self.given.tensors()
        if self.floor is not None:
            groups["floor"] = self.floor.tensors()
        return joined(groups | {f"flow{k}": flow.state_dict() for k, flow in enumerate(self.flows)})


def _of_this_version(config: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the names that they have here; version 0.1 standardised, and had one flow."""
    if "members" in config or not {"mean", "scale"} <= set(tensors):
        return tensors
    flow = {name.replace("flow.", "flow0.", 1): tensor for name, tensor in tensors.items()}
    mean, scale = flow.pop("mean"), flow.pop("scale")
    return flow | {f"columns.{name}": t for name, t in standardising(mean, scale).tensors().items()}
