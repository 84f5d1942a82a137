"""x = k + u: dequantisation. Integers become real numbers, and log p(x) a bound on log P(k).

For integers k and any noise u in [0, 1)^D, a density p over the reals gives the probability

    P(k) = ∫ p(k + u) du = E_u p(k + u),        log P(k) ≥ E_u log p(k + u).

For scoring, the noise of an image is a function of (seed, draw, the image itself): whatever stands beside it
in a batch, an image has the same noise and so the same score.

Reference: Theis, van den Oord, Bethge, *A note on the evaluation of generative models*, 2016,
arXiv:1511.01844.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rheon.images.augment import Augmentation
from rheon.images.pixels import Pixels
from rheon.noise import bits_of

Contexts = Callable[[Tensor], Tensor]
"""Rows (B,) → what a conditional flow is told of them, (B, M)."""


@dataclass(frozen=True)
class Dequantised:
    """A training source: uint8 images stay uint8 until the step that needs them, which adds fresh noise.

    ``images`` are a tensor (N, C, H, W), or cut out and decoded as they are wanted; ``augment`` is what is
    done to them before, ``contexts`` what a conditional flow is told of them.
    """

    images: Tensor | Pixels
    augment: tuple[Augmentation, ...] = ()
    contexts: Contexts | None = None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Those images plus uniform noise on [0, 1), float32, and their context."""
        if isinstance(self.images, Tensor):
            k = self.images[rows]
        else:
            k = torch.from_numpy(self.images.draw(rows.cpu().numpy(), generator)).to(rows.device)
        for change in self.augment:
            k = change(k, generator)
        x = k + torch.rand(k.shape, generator=generator, device=k.device)
        return x, None if self.contexts is None else self.contexts(rows)

    def expect(self, rows: Tensor, generator: torch.Generator) -> None:
        """Lets workers begin with the rows that the next batch will be asked for."""
        if not isinstance(self.images, Tensor):
            self.images.expect(rows.cpu().numpy(), generator)


def image_noise(images: np.ndarray, seed: int, draw: int) -> Tensor:
    """Uniform noise on [0, 1) for uint8 images (N, C, H, W), float32, the same for the same image."""
    n, dims = len(images), int(np.prod(images.shape[1:]))
    bits = bits_of(images.reshape(n, dims).astype(np.uint64), dims, seed, draw)
    bits >>= np.uint64(40)  # 24 bits, all that a float32 below 1 can hold
    return torch.from_numpy((bits.astype(np.float32) * np.float32(2**-24)).reshape(images.shape))
