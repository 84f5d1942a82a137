"""Rows go through a model in tiles of one size: a row's score has the same bits whatever came with it."""

import torch
from torch import Tensor

TILE = 2048
"""Rows that are scored together."""


def filled(part: Tensor, tile: int = TILE) -> Tensor:
    """The rows of a tile, filled up with its first one."""
    if len(part) == tile:
        return part
    return torch.cat((part, part[:1].expand(tile - len(part), -1)))
