from itertools import pairwise

import pytest
import torch

from rheon.architectures.stack import alternate, image_shape, positive
from rheon.errors import RheonError
from rheon.partitions import Halves


def test_the_parts_change_places_from_coupling_to_coupling():
    x = torch.arange(5).view(1, 5)
    kept = [part.split(x)[0].tolist() for part in alternate(Halves(), 4, size_a=2)]
    assert kept == [[[0, 1]], [[2, 3, 4]], [[0, 1]], [[2, 3, 4]]]
    assert all(one != other for one, other in pairwise(kept))


def test_one_feature_is_changed_by_every_coupling():
    x = torch.zeros(1, 1)
    assert [part.split(x)[1].shape[1] for part in alternate(Halves(), 3, size_a=0)] == [1, 1, 1]


@pytest.mark.parametrize("size", [0, -1, 1.0, "1", True, None])
def test_sizes_are_named_when_refused(size):
    with pytest.raises(RheonError, match="width must be a whole number from 1"):
        positive(blocks=1, width=size)


def test_an_image_shape_is_three_positive_numbers():
    assert image_shape([3, 32, 32]) == image_shape(torch.Size((3, 32, 32))) == (3, 32, 32)
    for wrong in ((3, 32), (3, 32, 0), (3, 32, 32.0), {3, 32}, None, (2**20, 2**10, 2**10)):
        with pytest.raises(RheonError, match="shape must be"):
            image_shape(wrong)
