"""Changes that training makes to images, for more variety than the data have. Evaluation never makes them."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rheon.errors import whole


class Augmentation(Protocol):
    """A random change of images that leaves them images of the same kind."""

    def __call__(self, k: Tensor, generator: torch.Generator) -> Tensor:
        """Of uint8 images (B, C, H, W), drawn from the generator, which is on their device."""


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, in half of the images.

    >>> k = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3).expand(8, 1, 2, 3)
    >>> Flip()(k, torch.Generator().manual_seed(0))[:, 0, 0, 0].unique().tolist()
    [0, 2]
    """

    def __call__(self, k: Tensor, generator: torch.Generator) -> Tensor:
        """Each image as it is or mirrored."""
        mirrored = torch.rand(len(k), generator=generator, device=k.device) < 0.5
        return torch.where(mirrored[:, None, None, None], k.flip(-1), k)


@dataclass(frozen=True)
class Shift:
    """Moved by up to so many whole pixels up or down and left or right; border pixels fill what is laid bare.

    >>> k = torch.arange(5, dtype=torch.uint8).view(1, 1, 1, 5).expand(8, 1, 1, 5)
    >>> Shift(1)(k, torch.Generator().manual_seed(0))[:, 0, 0].unique(dim=0).tolist()
    [[0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 4]]
    """

    pixels: int

    def __post_init__(self) -> None:
        whole("pixels", self.pixels, 1)

    def __call__(self, k: Tensor, generator: torch.Generator) -> Tensor:
        """Each image moved on its own."""
        b, _, height, width = k.shape
        moves = torch.randint(-self.pixels, self.pixels + 1, (2, b, 1), generator=generator, device=k.device)
        rows = (torch.arange(height, device=k.device) - moves[0]).clamp_(0, height - 1)
        columns = (torch.arange(width, device=k.device) - moves[1]).clamp_(0, width - 1)
        image = torch.arange(b, device=k.device)[:, None, None]
        return k.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
