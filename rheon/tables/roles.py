"""What the columns of a table are to a density: learned, given, or left out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from rheon.errors import DataError, ModelError, RheonError
from rheon.tables.encoding import Encoded, Encoding
from rheon.tables.features import Features
from rheon.tables.reading import Table, read_table
from rheon.tables.schema import Column, Schema


@dataclass
class Roles:
    """The columns of ``schema``: those named in ``given`` are given, of the others all modelled are learned.

    Raises:
        DataError: a column that is to be given is not modelled, or none is left to learn.
    """

    schema: Schema
    given: tuple[str, ...] = ()
    targets: Encoding = field(init=False)
    """Of the columns that are learned."""
    known: Encoding = field(init=False)
    """Of the columns that are given."""
    features: Features | None = None
    """Of what is given, once it is known from rows."""

    def __post_init__(self) -> None:
        for name in self.given:
            if not self.schema[name].modelled:
                raise DataError(f"column {name!r} cannot be given: it is {self.schema[name].range}")
        targets = Schema(tuple(c for c in self.schema.columns if c.name not in self.given))
        if not targets.modelled:
            reasons = "; ".join(f"{c.name!r}: {c.note or c.kind}" for c in targets.columns[:8])
            raise DataError(f"no column is left to learn ({reasons}); a density needs at least one")
        self.targets, self.known = Encoding(targets), Encoding(self.schema.pick(self.given))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have, in the table's order."""
        return tuple(c.name for c in self.schema.columns if c.modelled or c.name in self.given)

    @property
    def plain(self) -> bool:
        """Whether there are real numbers alone, and nothing is given."""
        return self.targets.schema.plain and not self.given

    def read(self, rows: Any) -> Table:
        """Rows that have these columns: by name, or in the table's order where they have no names."""
        table = read_table(rows)
        if not table.named and len(table.columns) == len(self.schema.columns):  # those left out, too
            table = table.require([column.name for column in self.schema.columns])
        return table.require(self.columns)

    def encode(self, table: Table) -> tuple[Encoded, Tensor | None]:
        """What is learned of each row, and the features of what is given, (N, M)."""
        return self.targets.encode(table.data), self.given_of(table)

    def learn_features(self, table: Table) -> None:
        """Fits the features of what is given to the rows."""
        if self.given:
            known = self.known.encode(table.data)
            self.features = Features.fit(self.known, known.codes, known.y)

    def given_of(self, table: Table) -> Tensor | None:
        """The features of what is given, (N, M)."""
        if not self.given:
            return None
        assert self.features is not None
        known = self.known.encode(table.data)
        open_ = np.flatnonzero(~known.complete)
        if len(open_):
            raise DataError(
                f"{len(open_)} rows lack a value of what is given, the first of them row {open_[0] + 1}, and "
                "none was missing in training: remove or fill them"
            )
        return self.features.of(known.codes, known.y)

    def config(self) -> dict[str, Any]:
        """Plain facts for config.json, from which with :meth:`tensors` ``from_files`` builds it again."""
        return {"schema": self.schema.as_list(), "given": list(self.given)}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        own = {} if self.features is None else self.features.tensors()
        return {f"known.{name}": tensor for name, tensor in own.items()}

    @classmethod
    def from_files(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> "Roles":
        """What :meth:`config` and :meth:`tensors` gave; takes its tensors out of the dict."""
        given = config.get("given", [])
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise ModelError("config.json must give the names of the columns that are given.")
        try:
            roles = cls(Schema.from_list(_of_this_version(config["schema"])), tuple(given))
        except KeyError as error:
            raise ModelError(f"the model directory of a table lacks {error}.") from None
        except ModelError:
            raise
        except RheonError as error:
            raise ModelError(f"config.json: {error}") from None
        own = {n.removeprefix("known."): tensors.pop(n) for n in list(tensors) if n.startswith("known.")}
        if given:
            roles.features = Features.from_tensors(own, roles.known)
        return roles


def _of_this_version(schema: Any) -> Any:
    """The columns; version 0.1 had names and types, and all were continuous."""
    if not isinstance(schema, dict):
        return schema
    names, types = schema["columns"], schema["dtypes"]
    if not isinstance(names, list) or not isinstance(types, list) or len(names) != len(types):
        raise ModelError("config.json must give as many names of columns as types.")
    of_arrow = {"float64": "double", "float32": "float", "float16": "halffloat"}
    columns = [Column(name, "continuous", of_arrow.get(t, t)) for name, t in zip(names, types, strict=True)]
    return Schema(tuple(columns)).as_list()
