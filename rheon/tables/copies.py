"""What the members of a mixed density learn from: noisy copies of rows, each for certain members."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rheon.tables.encoding import Encoded
from rheon.tables.member import Member
from rheon.tables.reading import Table
from rheon.tables.streaming import StreamedTable
from rheon.training import Source


@dataclass(frozen=True)
class OnDisk:
    """Rows that are learned from and stay on the disk, beside those in memory of which the rest is made.

    ``table``: those to learn. ``encode``: of rows in the columns' units, what is learned of each, and the
    features of what is given. ``judged``: how many of those in memory, the last, are judged by.
    """

    table: StreamedTable
    encode: Callable[[Table], tuple[Encoded, Tensor | None]]
    judged: int

    def source(self, ready: Callable[[Encoded, Tensor | None], tuple[Tensor, Tensor]]) -> Source:
        """The rows to train the one member on; ``ready`` makes of them what it takes: z, and (c, g)."""

        def encode(table: Table) -> tuple[Tensor, Tensor]:
            z, context = ready(*self.encode(table))
            return z, torch.cat((torch.zeros(len(z), 1), context), 1)

        return self.table.source(encode)


class ByMember(nn.Module):
    """Members side by side: log p of each row under the one that its context names, rows in their order."""

    def __init__(self, members: list[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        counts = context[:, 0].long().bincount(minlength=len(self.members)).tolist()
        parts = zip(self.members, z.split(counts), context[:, 1:].split(counts), strict=True)
        return torch.cat([member(part, own) for member, part, own in parts])


class Copies:
    """Rows for each member, in the order of members, each from one of its noisy copies."""

    def __init__(self, z: Tensor, context: Tensor, fold: Tensor, learn: bool) -> None:
        self._z, self._context, self._fold, self._learn = z, context, fold, learn
        self._members = int(fold.max()) + 1
        used = (fold >= 0) if not learn or self._members > 1 else fold < 0
        self._rows = used.nonzero()[:, 0]

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        copy = torch.randint(len(self._z), (len(rows),), generator=generator)
        rows = self._rows[rows]
        fold = self._fold[rows]
        parts = [((fold != m) if self._learn else (fold == m)).nonzero()[:, 0] for m in range(self._members)]
        member = torch.cat([torch.full((len(part), 1), float(m)) for m, part in enumerate(parts)])
        order = torch.cat(parts)
        return self._z[copy[order], rows[order]], torch.cat((member, self._context[rows[order]]), 1)


def sizes(n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the flow, and of the heads: small networks where there is little to learn from."""
    if n < 2500:
        flow = {"couplings": 4, "width": 24, "bins": 4, "dropout": 0.2}
        return flow, {"width": 16 if n < 1000 else 24, "dropout": 0.2}
    if n < 10_000:
        return {"couplings": 4, "width": 64, "bins": 8, "dropout": 0.1}, {"width": 32, "dropout": 0.2}
    return {"couplings": 4, "width": 64, "bins": 8}, {"width": 64, "dropout": 0.1}
