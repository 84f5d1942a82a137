"""x = k + u: dequantisation. Integers become real numbers, and log p(x) a bound on log P(k).

For integers k and any noise u in [0, 1)^D, a density p over the reals gives the probability

    P(k) = ∫ p(k + u) du = E_u p(k + u),        log P(k) ≥ E_u log p(k + u).

For scoring, the noise of an image is a function of (seed, draw, the image itself): whatever stands beside it
in a batch, an image has the same noise and so the same score.

Reference: Theis, van den Oord, Bethge, *A note on the evaluation of generative models*, 2016,
arXiv:1511.01844.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rheon.images.augment import Augmentation
from rheon.images.pixels import Pixels

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Dequantised:
    """A training source: uint8 images stay uint8 until the step that needs them, which adds fresh noise.

    ``images`` are a tensor (N, C, H, W), or cut out and decoded as they are wanted; ``augment`` is what is
    done to them before.
    """

    images: Tensor | Pixels
    augment: tuple[Augmentation, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, None]:
        """Those images plus uniform noise on [0, 1), float32."""
        if isinstance(self.images, Tensor):
            k = self.images[rows]
        else:
            k = torch.from_numpy(self.images.draw(rows.cpu().numpy(), generator)).to(rows.device)
        for change in self.augment:
            k = change(k, generator)
        return k + torch.rand(k.shape, generator=generator, device=k.device), None

    def expect(self, rows: Tensor, generator: torch.Generator) -> None:
        """Lets workers begin with the rows that the next batch will be asked for."""
        if not isinstance(self.images, Tensor):
            self.images.expect(rows.cpu().numpy(), generator)


def image_noise(images: np.ndarray, seed: int, draw: int) -> Tensor:
    """Uniform noise on [0, 1) for uint8 images (N, C, H, W), float32, the same for the same image.

    A 64-bit hash of the image starts a counter, whose values are mixed as in SplitMix64.

    Reference: Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014,
    doi:10.1145/2660193.2660195.
    """
    n, dims = len(images), int(np.prod(images.shape[1:]))
    # A Python int, so that any seed is accepted and wraps to 64 bits.
    start = np.uint64((seed * 0x632BE59BD9B4E019 + draw * 0xD1342543DE82EF95 + 1) % 2**64)
    position = np.arange(1, dims + 1, dtype=np.uint64) * _GOLDEN
    pixels = images.reshape(n, dims).astype(np.uint64)
    # Each pixel is mixed with its place before the sum, so that moved or exchanged pixels give another hash.
    key = _mix(_mix(pixels * np.uint64(0xBF58476D1CE4E5B9) + position).sum(1, dtype=np.uint64) ^ start)
    bits = _mix(key[:, None] + position) >> np.uint64(40)  # 24 bits, all that a float32 below 1 can hold
    return torch.from_numpy((bits.astype(np.float32) * np.float32(2**-24)).reshape(images.shape))


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
