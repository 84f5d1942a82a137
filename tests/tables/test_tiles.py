"""Tiles: of one size, whatever is put into them."""

import torch

from rheon.tables.tiles import TILE, filled, in_tiles


def test_a_tile_is_filled_up_with_its_first_row():
    some = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert filled(some, 5).tolist() == [[1, 2], [3, 4], [1, 2], [1, 2], [1, 2]]
    assert filled(some).shape == (TILE, 2)
    assert torch.equal(filled(some, 2), some)


def test_a_function_sees_tiles_of_one_size_and_its_rows_come_back_in_order():
    rows, seen = torch.arange(14.0).view(7, 2), []

    def double(part):
        seen.append(len(part))
        return 2 * part

    assert torch.equal(in_tiles(double, rows, 3), 2 * rows)
    assert seen == [3, 3, 3]
