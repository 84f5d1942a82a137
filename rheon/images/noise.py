"""x = k + u: dequantisation. Integers become real numbers, and log p(x) a bound on log P(k).

For integers k and any density q of noise u in [0, 1)^D, a density p over the reals gives the probability

    P(k) = ∫ p(k + u) du,        log P(k) ≥ E_{u ~ q} [log p(k + u) - log q(u | k)].

For scoring, the noise of an image is a function of (seed, draw, the image itself): whatever stands beside it
in a batch, an image has the same noise and so the same score.

Reference: Theis, van den Oord, Bethge, *A note on the evaluation of generative models*, 2016,
arXiv:1511.01844.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rheon.bounds import likelihood
from rheon.images.augment import Augmentation
from rheon.images.dequantise import Bound, Dequantiser
from rheon.images.pixels import Pixels
from rheon.noise import bits_of

_MARGIN = 1 / 256
"""Of the noise of a flow of levels from the ends of a level."""

Contexts = Callable[[Tensor], Tensor]
"""Rows (B,) → what a conditional flow is told of them, (B, M)."""


class Uniform:
    """q = 1: u is uniform, and the figure is log p(k + u)."""

    noise: str | None = "uniform"
    """What it is called; None where log p(k + u) is log P(k) itself, whatever u."""

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What it learns, by name."""
        return {}

    def likelihood(self, draws: int = 1) -> str:
        """What a figure with so many draws of u is, in words."""
        return likelihood(self.noise, draws)

    def draws(self, asked: int) -> int:
        """How many draws of u are worth making, of so many."""
        return asked

    def rows(self, k: Tensor, r: Tensor) -> Tensor:
        """What the objective takes of images k and of r, uniform on [0, 1), of the same shape."""
        return k + r

    def x(self, rows: Tensor) -> Tensor:
        """k + u of these rows."""
        return rows

    def objective(self, flow: nn.Module) -> nn.Module:
        """rows → the figure, of which training maximises the mean."""
        return flow


UNIFORM = Uniform()


class OfLevels(Uniform):
    """u of a flow whose log p(k + u) is log P(k): it keeps off the ends of a level.

    Rounding, in k + u or in f and back, then leads into no other level.
    """

    noise = None

    def draws(self, asked: int) -> int:
        return 1

    def rows(self, k: Tensor, r: Tensor) -> Tensor:
        return k + (_MARGIN + (1 - 2 * _MARGIN) * r)


class Learned(Uniform):
    """u ~ q(u | k) of a :class:`~rheon.images.dequantise.Dequantiser`, learned together with the flow."""

    noise = "learned"

    def __init__(self, dequantiser: Dequantiser) -> None:
        self.dequantiser = dequantiser

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"dequantiser": self.dequantiser}

    def rows(self, k: Tensor, r: Tensor) -> Tensor:
        return torch.cat((k.to(r.dtype), r), 1)

    @torch.no_grad()
    def x(self, rows: Tensor) -> Tensor:
        k, r = rows.chunk(2, 1)
        return k + self.dequantiser(k, r)[0]

    def objective(self, flow: nn.Module) -> nn.Module:
        return Bound(flow, self.dequantiser)


@dataclass(frozen=True)
class Dequantised:
    """A training source: uint8 images stay uint8 until the step that needs them, which adds fresh noise.

    ``images`` are a tensor (N, C, H, W), or cut out and decoded as they are wanted; ``augment`` is what is
    done to them before, ``contexts`` what a conditional flow is told of them, ``noise`` by whose objective
    they are learned.
    """

    images: Tensor | Pixels
    augment: tuple[Augmentation, ...] = ()
    contexts: Contexts | None = None
    noise: Uniform = UNIFORM

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Those images and fresh noise as the objective takes them, float32, and their context."""
        if isinstance(self.images, Tensor):
            k = self.images[rows]
        else:
            k = torch.from_numpy(self.images.draw(rows.cpu().numpy(), generator)).to(rows.device)
        for change in self.augment:
            k = change(k, generator)
        x = self.noise.rows(k, torch.rand(k.shape, generator=generator, device=k.device))
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
