"""Partitions x ↔ (x_A, x_B): which part of x a coupling keeps and which it changes.

A coupling leaves x_A as it is, so a stack of couplings must change its partition from layer to layer;
``swapped()`` gives the complement, under which x_A and x_B change places. Parts are dense: a
checkerboard half of a (C, H, W) image is a (2C, H/2, W/2) tensor, not an image full of zeros.
"""

from abc import ABC, abstractmethod
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from rheon.errors import RheonError


class Partition(nn.Module, ABC):
    """x ↔ (x_A, x_B), for a batch x of shape (B, …). ``merge(*split(x))`` is x again, bit for bit.

    >>> import torch
    >>> from rheon.partitions import Halves
    >>> partition, x = Halves(), torch.tensor([[1.0, 2.0, 3.0]])
    >>> partition.split(x), partition.merge(*partition.split(x))
    ((tensor([[1.]]), tensor([[2., 3.]])), tensor([[1., 2., 3.]]))
    """

    @abstractmethod
    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, …) → x_A, x_B."""

    @abstractmethod
    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        """x_A, x_B → x, each scalar back in its place."""

    @abstractmethod
    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        """Event shapes of x_A and x_B; a shape that cannot be split raises a :class:`RheonError`."""

    def swapped(self) -> "Partition":
        """The partition with x_A and x_B exchanged."""
        return Swapped(self)


class Swapped(Partition):
    """The complement of a partition: its x_A is the other's x_B.

    Args:
        partition: the one whose parts change places.

    >>> from rheon.partitions import Halves, Swapped
    >>> Halves().shapes((5,)), Swapped(Halves()).shapes((5,))
    ((torch.Size([2]), torch.Size([3])), (torch.Size([3]), torch.Size([2])))
    """

    def __init__(self, partition: Partition) -> None:
        super().__init__()
        self.partition = partition

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x_b, x_a = self.partition.split(x)
        return x_a, x_b

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        return self.partition.merge(x_b, x_a)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        shape_b, shape_a = self.partition.shapes(event_shape)
        return shape_a, shape_b

    def swapped(self) -> Partition:
        return self.partition


class Halves(Partition):
    """x_A = the first ⌊D/2⌋ features, x_B = the rest. Event (D,). Both parts are views.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.2.

    Raises:
        RheonError: from ``shapes``, an event that is not (D,).

    >>> import torch
    >>> from rheon.partitions import Halves
    >>> Halves().split(torch.tensor([[1.0, 2.0, 3.0]]))
    (tensor([[1.]]), tensor([[2., 3.]]))
    """

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half = x.shape[1] // 2
        x_a, x_b = x.split_with_sizes((half, x.shape[1] - half), 1)
        return x_a, x_b

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        if x_b.stride(0) == 1:  # features-first in memory, as a narrow MLP gives it: the whole stays so
            return torch.cat((x_a.t(), x_b.t())).t()
        return torch.cat((x_a, x_b), 1)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        (features,) = _ranked(self, event_shape, "(D,)")
        return torch.Size((features // 2,)), torch.Size((features - features // 2,))


class Alternating(Partition):
    """x_A = features 0, 2, 4, …, x_B = features 1, 3, 5, …. Event (D,), both parts strided views.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516, section 5.1.

    Raises:
        RheonError: from ``shapes``, an event that is not (D,).

    >>> import torch
    >>> from rheon.partitions import Alternating
    >>> Alternating().split(torch.tensor([[0, 1, 2, 3, 4]]))
    (tensor([[0, 2, 4]]), tensor([[1, 3]]))
    """

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, ::2], x[:, 1::2]

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        pairs = x_b.shape[1]
        x = torch.stack((x_a[:, :pairs], x_b), 2).flatten(1)
        return x if x_a.shape[1] == pairs else torch.cat((x, x_a[:, pairs:]), 1)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        (features,) = _ranked(self, event_shape, "(D,)")
        return torch.Size((features - features // 2,)), torch.Size((features // 2,))


class Random(Partition):
    """x_A = ⌊D/2⌋ features drawn by ``seed``, x_B = the others, each part in rising order. Event (D,).

    Args:
        features: D.
        seed: names the draw, from 0 to 2³² - 1; the same seed draws the same features everywhere.

    Raises:
        RheonError: ``features`` or ``seed`` is out of range; from ``shapes``, an event that is not (D,).

    >>> import torch
    >>> from rheon.partitions import Random
    >>> Random(5, seed=1).split(torch.tensor([[0, 1, 2, 3, 4]]))
    (tensor([[1, 2]]), tensor([[0, 3, 4]]))
    """

    indices_a: Tensor
    indices_b: Tensor
    order: Tensor

    def __init__(self, features: int, seed: int = 0) -> None:
        super().__init__()
        self.features, self.seed = features, seed
        drawn = torch.from_numpy(fixed_permutation(features, seed))
        # Made again from the seed when a model is loaded, so that a file can never bring a bad index.
        self.register_buffer("indices_a", drawn[: features // 2].sort().values, persistent=False)
        self.register_buffer("indices_b", drawn[features // 2 :].sort().values, persistent=False)
        self.register_buffer("order", torch.cat((self.indices_a, self.indices_b)).argsort(), persistent=False)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.index_select(1, self.indices_a), x.index_select(1, self.indices_b)

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        return torch.cat((x_a, x_b), 1).index_select(1, self.order)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        (features,) = _ranked(self, event_shape, "(D,)")
        if features != self.features:
            raise RheonError(f"Random partition was made for {self.features} features, got {features}.")
        return torch.Size((features // 2,)), torch.Size((features - features // 2,))

    def extra_repr(self) -> str:
        return f"{self.features}, seed={self.seed}"


class Channels(Partition):
    """x_A = the first ⌊C/2⌋ channels, x_B = the rest. Event (C, H, W), C at least 2.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.4.

    Raises:
        RheonError: from ``shapes``, an event that is not (C, H, W), or has one channel.

    >>> from rheon.partitions import Channels
    >>> Channels().shapes((3, 8, 8))
    (torch.Size([1, 8, 8]), torch.Size([2, 8, 8]))
    """

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half = x.shape[1] // 2
        x_a, x_b = _channels_last(x).split_with_sizes((half, x.shape[1] - half), 1)
        return x_a, x_b

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        return torch.cat((x_a, x_b), 1)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        channels, height, width = _ranked(self, event_shape, "(C, H, W)")
        if channels < 2:
            raise RheonError(
                f"Channels needs at least 2 channels, got shape {tuple(event_shape)}; squeeze first."
            )
        return torch.Size((channels // 2, height, width)), torch.Size(
            (channels - channels // 2, height, width)
        )


class Checkerboard(Partition):
    """x_A = the pixels (i, j) with i + j even, x_B = those with i + j odd. Event (C, H, W), H and W even.

    In every 2×2 block the even pixels are the phases (0, 0) and (1, 1): stacked as channels they are a
    dense (2C, H/2, W/2) image, and so are the odd ones, (0, 1) and (1, 0). A conditioner therefore
    computes on half of the grid instead of on a masked image of which half is zero.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803
    section 3.4 (masked there, packed here: the same family of maps).

    Raises:
        RheonError: from ``shapes``, an event that is not (C, H, W), or has an odd H or W.

    >>> import torch
    >>> from rheon.partitions import Checkerboard
    >>> x_a, x_b = Checkerboard().split(torch.tensor([[[[1, 2], [3, 4]]]]))
    >>> x_a.shape, x_a.flatten().tolist(), x_b.flatten().tolist()
    (torch.Size([1, 2, 1, 1]), [1, 4], [2, 3])
    """

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p00, p01, p10, p11 = blocks_to_phases(x)
        return torch.cat((p00, p11), 1), torch.cat((p01, p10), 1)

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        (p00, p11), (p01, p10) = x_a.chunk(2, 1), x_b.chunk(2, 1)
        return phases_to_blocks(p00, p01, p10, p11)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        channels, height, width = _even(self, event_shape, rows=True, columns=True)
        half = torch.Size((2 * channels, height // 2, width // 2))
        return half, half


class Stripes(Partition):
    """x_A = the even rows (or columns), x_B = the odd ones. Event (C, H, W), even along the axis.

    Reference: Ho, Chen, Srinivas, Duan, Abbeel, *Flow++: Improving Flow-Based Generative Models with
    Variational Dequantization and Architecture Design*, 2019, arXiv:1902.00275 (its program splits columns).

    Args:
        axis: ``"rows"`` (parts (C, H/2, W)) or ``"columns"`` (parts (C, H, W/2)).

    Raises:
        RheonError: ``axis`` is neither; from ``shapes``, an event that is not (C, H, W), or is odd along the axis.

    >>> import torch
    >>> from rheon.partitions import Stripes
    >>> x_a, x_b = Stripes("columns").split(torch.tensor([[[[1, 2], [3, 4]]]]))
    >>> x_a.flatten().tolist(), x_b.flatten().tolist()
    ([1, 3], [2, 4])
    """

    def __init__(self, axis: str = "rows") -> None:
        super().__init__()
        if axis not in ("rows", "columns"):
            raise RheonError(f"Stripes: axis must be 'rows' or 'columns', got {axis!r}.")
        self.axis = axis
        self.dim = 2 if axis == "rows" else 3

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = _channels_last(x)
        if self.axis == "rows":
            return x[:, :, ::2], x[:, :, 1::2]
        return x[:, :, :, ::2], x[:, :, :, 1::2]

    def merge(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        return torch.stack((x_a, x_b), self.dim + 1).flatten(self.dim, self.dim + 1)

    def shapes(self, event_shape: torch.Size | tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
        rows = self.axis == "rows"
        channels, height, width = _even(self, event_shape, rows=rows, columns=not rows)
        half = torch.Size((channels, height // 2, width) if rows else (channels, height, width // 2))
        return half, half

    def extra_repr(self) -> str:
        return repr(self.axis)


def blocks_to_phases(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pixels (dy, dx) = (0, 0), (0, 1), (1, 0), (1, 1) of every 2×2 block, each (B, C, H/2, W/2)."""
    x = _channels_last(x)
    return x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2]


def phases_to_blocks(p00: Tensor, p01: Tensor, p10: Tensor, p11: Tensor) -> Tensor:
    """The image (B, C, H, W) whose 2×2 blocks hold the four phases, channels last in memory."""
    p00, p01, p10, p11 = (phase.movedim(1, 3) for phase in (p00, p01, p10, p11))
    blocks = torch.stack((torch.stack((p00, p01), 3), torch.stack((p10, p11), 3)), 2)  # B, h, 2, w, 2, C
    return blocks.flatten(3, 4).flatten(1, 2).movedim(3, 1)


def fixed_permutation(n: int, seed: int) -> np.ndarray:
    """The permutation of 0 … n-1 that ``seed`` names, the same in every version of every library.

    ``RandomState`` is NumPy's frozen stream; a model directory keeps the seed and not the indices.
    """
    if n < 1 or not 0 <= seed < 2**32:
        raise RheonError(
            f"a permutation needs n of at least 1 and a seed from 0 to 2³² - 1, got {n} and {seed}."
        )
    return np.random.RandomState(seed).permutation(n)


def _channels_last(x: Tensor) -> Tensor:
    """The same image in the memory order in which convolutions are fastest; free from the second layer on."""
    return x.contiguous(memory_format=torch.channels_last)


def _ranked(partition: Partition, shape: torch.Size | tuple[int, ...], form: str) -> tuple[int, ...]:
    if len(shape) != form.count(",") + (form[-2] != ","):
        raise RheonError(f"{type(partition).__name__} splits events of shape {form}, got {tuple(shape)}.")
    if prod(shape) < 1:
        raise RheonError(f"{type(partition).__name__} got the empty event shape {tuple(shape)}.")
    return tuple(shape)


def _even(
    partition: Partition, shape: torch.Size | tuple[int, ...], *, rows: bool, columns: bool
) -> tuple[int, ...]:
    channels, height, width = _ranked(partition, shape, "(C, H, W)")
    if (rows and height % 2) or (columns and width % 2):
        raise RheonError(
            f"{type(partition).__name__} needs an even number of pixels along the axes it splits, "
            f"got {channels}×{height}×{width}; crop or pad to "
            f"{height + height % 2 * rows}×{width + width % 2 * columns}."
        )
    return channels, height, width
