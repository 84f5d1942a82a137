"""Discretised mixture of logistics: [0, levels] → R, with the probability of each level as its density."""

import math

import torch
from torch import Tensor

from rheon.elementwise.base import Elementwise
from rheon.elementwise.cells import Levels, masses, parts_of, to_normal, within
from rheon.errors import RheonError

_AT_ONCE = 16384
"""Scalars whose cells are sought together: few enough for K numbers of each to stay near the processor."""


class DiscretisedLogistics(Elementwise):
    """y = Φ⁻¹(F̃(x)), [0, levels] → R: whole levels in cells [k, k + 1), each with one density.

        F(k) = Σ_i π_i sigmoid((k - μ_i) / s_i), F(0) = 0, F(levels) = 1
        F̃(x) = F(k) + (x - k) (F(k + 1) - F(k)),   k = ⌊x⌋
        log dy/dx = log P(k) - log φ(y),   P(k) = F(k + 1) - F(k)

    with a share ``floor`` of all probability spread evenly over the levels: no level is impossible, and none
    so improbable that float32 y could not tell its points apart. It costs at most ``floor`` nats a scalar.
    Under a standard normal y the density of x = k + u is P(k) whatever the noise u: no bit is lost on the
    shape of the noise. The first and the last level hold the tails.

    ψ = (log π, μ, log s, a, c) for each scalar, P = 3K + channels, in units in which the levels span [-1, 1]:
    the components stand around a. Where ``channels`` > 1 the axis after the batch is that of the C colours of
    a pixel, or of several pixels one after the other, and colour i sees the levels of those before it, m_j
    the middles of their cells: its means move by Σ_{j<i} c_j (m_j - a_j), and its weights are
    π_n Π_{j<i} P_n(x_j), normalised: one component tells all colours. The Jacobian has that diagonal, and no
    other part.

    With ψ = 0 the components are spread evenly over [-reach, reach]. x outside [0, levels] gives NaN. The
    inverse finds the cell by bisection and solves for the rest in closed form.

    Reference: Salimans, Karpathy, Chen, Kingma, *PixelCNN++: Improving the PixelCNN with Discretized Logistic
    Mixture Likelihood and Other Modifications*, 2017, arXiv:1701.05517, sections 2.1 and 2.2.

    Args:
        levels: number of levels, 256 for most images.
        components: K.
        channels: C, colours of a pixel that see each other in order; 1: every scalar by itself.
        reach: how far around a the components stand at ψ = 0; with 1 F is close to the uniform distribution.
        floor: share of the probability that is spread evenly.

    Raises:
        RheonError: ``levels`` is below 2, ``components`` or ``channels`` below 1, or ``reach`` or ``floor``
            not between 0 and 1.

    >>> import torch
    >>> from rheon.elementwise import DiscretisedLogistics
    >>> map_ = DiscretisedLogistics(levels=4, components=2)
    >>> x, psi = torch.tensor([[2.25, 2.75]]), torch.zeros(1, 7, 2)
    >>> y, log_dy = map_(x, psi)
    >>> (torch.distributions.Normal(0.0, 1.0).log_prob(y) + log_dy).exp()  # P(2), twice
    tensor([[0.1904, 0.1904]])
    >>> map_.inverse(y, psi)[0]
    tensor([[2.2500, 2.7500]])
    """

    def __init__(
        self,
        levels: int = 256,
        components: int = 5,
        channels: int = 1,
        reach: float = 1.0,
        floor: float = 2e-3,
    ) -> None:
        super().__init__()
        if levels < 2 or components < 1 or channels < 1 or not (0 < floor < 1 and 0 < reach <= 1):
            raise RheonError(
                "DiscretisedLogistics needs at least 2 levels, 1 component and 1 channel, reach and floor "
                f"between 0 and 1; got levels={levels}, components={components}, channels={channels}, "
                f"reach={reach}, floor={floor}."
            )
        self.levels, self.components, self.channels = levels, components, channels
        self.reach, self.floor = reach, floor
        self.num_params = 3 * components + channels
        # From a tenth of a cell, where one level can have all the probability, to e² times half the range.
        low, high = math.log(2 / levels) - 3, 2.0
        spread = tuple(reach * ((2 * i + 1) / components - 1) for i in range(components))
        self.constants = Levels(levels, components, floor, spread, low, high, math.log(reach / components))

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y, log_mass = to_normal(self._by_colour(x), self._by_parameter(params), self.constants)
        y, log_mass = self._as_event(y, x), self._as_event(log_mass, x)
        return y, log_mass + _minus_log_density(y)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        given, psi = self._by_colour(y), self._by_parameter(params)
        with torch.no_grad():
            x, log_mass = self._to_levels(given, psi)
        if torch.is_grad_enabled():
            # By the implicit function theorem dx = (dy - ∂f) / f': a term that is zero carries the gradient.
            again, log_mass = to_normal(x, psi, self.constants)
            slack = given - again
            slope = (log_mass + _minus_log_density(again)).detach()
            x = x + (slack - slack.detach()) * (-slope).exp()
        return self._as_event(x, y), -self._as_event(log_mass, y) - _minus_log_density(y)

    def _to_levels(self, y: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        """x and log P(k), colour by colour, each knowing those before it."""
        n, levels = self.components, self.constants
        below = y < 0
        # The smaller of Φ and 1 - Φ, so that neither tail rounds to 1.
        tail = torch.special.ndtr(-y.abs().double())
        told: list[Tensor] = []
        found: list[tuple[Tensor, Tensor]] = []
        prior = torch.zeros_like(psi[:n, :, :1])
        for i in range(self.channels):
            own, side, mass = psi[:, :, i : i + 1], below[:, i : i + 1], tail[:, i : i + 1]
            place, coefficients = own[3 * n], own[3 * n + 1 :]
            shift = place + sum(c * distance for c, distance in zip(coefficients, told, strict=False))
            pi = (own[:n] + prior).softmax(0)
            pieces = (part.split(_AT_ONCE, -1) for part in (mass.to(y.dtype), side, pi, own, shift))
            k = torch.cat([self._cell(*part) for part in zip(*pieces, strict=True)], -1)
            parts = parts_of(k, own, shift, levels)
            left, inside, right = masses(k, pi, parts, levels)
            f = torch.where(side, (mass - left) / inside, 1 - (mass - right) / inside).to(y.dtype)
            # k + f may round up to k + 1, the next cell.
            x = k + within(f).clamp(max=1 - 2 * self.levels * torch.finfo(y.dtype).eps)
            found.append((x, inside.log()))
            told.append(levels.centred(k + 0.5) - place)
            prior = prior + levels.floored(parts.between).log()
        x, log_mass = (torch.cat(part, 1) for part in zip(*found, strict=True))
        return x, log_mass

    def _cell(self, tail: Tensor, below: Tensor, pi: Tensor, psi: Tensor, shift: Tensor) -> Tensor:
        """The largest k with F(k) ≤ Φ(y), or with 1 - F(k) ≥ 1 - Φ(y), which is the same; (G, 1, N)."""
        levels = self.constants
        sign = 1 - 2 * below.logical_not().to(tail.dtype)
        slopes = levels.scales(psi)[0].mul_(sign)
        offsets = (levels.means(psi) + shift).mul_(slopes).neg_()
        weights = pi * (1 - self.floor)
        # The even share of k below levels, or of levels - k above, joins what the mass is compared to.
        share, tail = sign * (self.floor / self.levels), tail - below.logical_not() * self.floor
        low = torch.zeros_like(tail)
        for power in reversed(range((self.levels - 1).bit_length())):
            k = low + 2**power
            mass = torch.addcmul(offsets, slopes, levels.centred(k)).sigmoid_().mul_(weights).sum(0)
            up = (mass.sub_(tail).addcmul_(share, k).mul_(sign) <= 0).logical_and_(k < self.levels)
            low = low.add(up, alpha=2**power)
        return low

    def _by_colour(self, x: Tensor) -> Tensor:
        """(B, G · C, …) → (G, C, B · …)."""
        if x.dim() < 2 or x.shape[1] % self.channels:
            raise RheonError(
                f"DiscretisedLogistics was built for {self.channels} channels, got {tuple(x.shape)}."
            )
        return x.transpose(0, 1).reshape(*self._rows(x), -1)

    def _as_event(self, y: Tensor, like: Tensor) -> Tensor:
        batch, channels, *rest = like.shape
        return y.view(channels, batch, *rest).transpose(0, 1)

    def _by_parameter(self, params: Tensor) -> Tensor:
        """(B, P, G · C, …) → (P, G, C, B · …), without a copy where memory is in that order."""
        x = params[:, 0]
        return params.movedim(0, 2).reshape(params.shape[1], *self._rows(x), -1)

    def _rows(self, x: Tensor) -> tuple[int, int]:
        """Groups and colours; all scalars are one row where they are no colours."""
        return (x.shape[1] // self.channels, self.channels) if self.channels > 1 else (1, 1)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, components={self.components}, channels={self.channels}"


def _minus_log_density(y: Tensor) -> Tensor:
    """-log φ(y)."""
    return 0.5 * (y * y) + 0.5 * math.log(2 * math.pi)
