"""Tiles: of one size, whatever is put into them."""

import torch

from rheon.tables.tiles import TILE, filled


def test_a_tile_is_filled_up_with_its_first_row():
    some = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert filled(some, 5).tolist() == [[1, 2], [3, 4], [1, 2], [1, 2], [1, 2]]
    assert filled(some).shape == (TILE, 2)
    assert torch.equal(filled(some, 2), some)
