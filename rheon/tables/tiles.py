"""Rows go through a model in tiles of one size: a row's score has the same bits whatever came with it."""

from collections.abc import Callable

import torch
from torch import Tensor

TILE = 2048
"""Rows that are scored together."""


@torch.no_grad()
def in_tiles(function: Callable[[Tensor], Tensor], rows: Tensor, tile: int = TILE) -> Tensor:
    """The function of rows (N, D), of which it is given ``tile`` at a time: (N, …)."""
    return torch.cat([function(filled(part, tile))[: len(part)] for part in rows.split(tile)])


def filled(part: Tensor, tile: int = TILE) -> Tensor:
    """The rows of a tile, filled up with its first one."""
    if len(part) == tile:
        return part
    return torch.cat((part, part[:1].expand(tile - len(part), -1)))
