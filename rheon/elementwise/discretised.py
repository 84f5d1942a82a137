"""Discretised mixture of logistics: [0, levels] → R, with the probability of each level as its density."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rheon.elementwise.base import Elementwise
from rheon.elementwise.cells import Scales, cells, mixture
from rheon.errors import RheonError

Solve = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]

_BEYOND = 1e6
"""Where the first level's cell begins and the last one's ends: they hold what the tails leave."""

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
    a pixel, and colour i sees the levels of those before it, m_j the middles of their cells: its means move
    by Σ_{j<i} c_j (m_j - a_j), and its weights are π_n Π_{j<i} P_n(x_j), normalised: one component tells all
    colours. The Jacobian has that diagonal, and no other part.

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
        self.scales = Scales(low, high, math.log(reach / components))
        self.spread = [reach * ((2 * i + 1) / components - 1) for i in range(components)]

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        _, y, log_dy = self._in_turn(x, params, self._to_normal)
        return y, log_dy

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x, _, log_dy = self._in_turn(y, params, self._to_levels)
        return x, -log_dy

    def _in_turn(self, given: Tensor, params: Tensor, solve: Solve) -> tuple[Tensor, Tensor, Tensor]:
        """x, y and log dy/dx, each like ``given``: colour by colour, each knowing those before it."""
        n, psi = self.components, self._by_parameter(params)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        told: list[Tensor] = []
        prior: Tensor | None = None
        for of_colour, psi_c in zip(self._colours(given), psi.chunk(self.channels, 1), strict=True):
            place, coefficients = psi_c[3 * n : 3 * n + 1], psi_c[3 * n + 1 :]
            shift = place
            for coefficient, distance in zip(coefficients, told, strict=False):
                shift = shift + coefficient * distance
            own = psi_c[: 3 * n]
            if prior is not None:
                own = torch.cat((own[:n] + prior, own[n:]))
            x, y, log_dy, each = solve(of_colour, own, shift)
            parts.append((x, y, log_dy))
            if len(parts) < self.channels:
                told.append(self._centred(x.floor() + 0.5) - place)
                masses = (each * (1 - self.floor) + self.floor / self.levels).log()
                prior = masses if prior is None else prior + masses
        x, y, log_dy = (self._as_event(torch.cat(part, 1), given) for part in zip(*parts, strict=True))
        return x, y, log_dy

    def _to_normal(self, x: Tensor, psi: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        k = x.detach().floor().clamp(0, self.levels - 1)
        left, inside, right, each = self._cells(k, psi, shift)
        f = _off_the_ends(x - k)
        f = torch.where((x >= 0) & (x <= self.levels), f, torch.nan)
        mass, f = inside.double(), f.double()
        y = _normal_quantile(left + f * mass, right + (1 - f) * mass).to(x.dtype)
        return x, y, inside.log() + _minus_log_density(y), each

    def _to_levels(self, y: Tensor, psi: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        below = y < 0
        # The smaller of Φ and 1 - Φ, so that neither tail rounds to 1.
        tail = torch.special.ndtr(-y.abs().double())
        with torch.no_grad():
            parts = (part.split(_AT_ONCE, 1) for part in (tail.to(y.dtype), below, psi, shift))
            k = torch.cat([self._cell(*part) for part in zip(*parts, strict=True)], 1)
        left, inside, right, each = self._cells(k, psi, shift)
        f = torch.where(below, (tail - left) / inside, 1 - (tail - right) / inside).to(y.dtype)
        # k + f may round up to k + 1, the next cell.
        x = k + _off_the_ends(f).clamp(max=1 - 2 * self.levels * torch.finfo(y.dtype).eps)
        return x, y, inside.log() + _minus_log_density(y), each

    def _cell(self, tail: Tensor, below: Tensor, psi: Tensor, shift: Tensor) -> Tensor:
        """The largest k with F(k) ≤ Φ(y), or with 1 - F(k) ≥ 1 - Φ(y), which is the same."""
        weights, means, inverse_scales, _ = mixture(psi, self._spread(psi), self.scales)
        sign = 1 - 2 * below.logical_not().to(tail.dtype)
        slopes = inverse_scales * sign
        offsets = (means + shift).mul_(slopes).neg_()
        weights = weights * (1 - self.floor)
        # The even share of k below levels, or of levels - k above, joins what the mass is compared to.
        share, tail = sign * (self.floor / self.levels), tail - below.logical_not() * self.floor
        low = torch.zeros_like(tail)
        for power in reversed(range((self.levels - 1).bit_length())):
            k = low + 2**power
            mass = (
                torch.addcmul(offsets, slopes, self._centred(k)).sigmoid_().mul_(weights).sum(0, keepdim=True)
            )
            up = (mass.sub_(tail).addcmul_(share, k).mul_(sign) <= 0).logical_and_(k < self.levels)
            low = low.add(up, alpha=2**power)
        return low

    def _cells(self, k: Tensor, psi: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """F(k), P(k) and 1 - F(k + 1), and every component's σ(b) - σ(a)."""
        lower = self._centred(k).masked_fill(k == 0, -_BEYOND)
        upper = self._centred(k + 1).masked_fill(k == self.levels - 1, _BEYOND)
        left, inside, right, each = cells(lower - shift, upper - shift, psi, self._spread(psi), self.scales)
        keep, share = 1 - self.floor, self.floor / self.levels
        left, right = keep * left + share * k, keep * right + share * (self.levels - 1 - k)
        return left, keep * inside + share, right, each

    def _spread(self, psi: Tensor) -> Tensor:
        """The means (K, 1) at ψ = 0, in the precision of ψ."""
        return psi.new_tensor(self.spread)[:, None]

    def _centred(self, x: Tensor) -> Tensor:
        """[0, levels] → [-1, 1]."""
        return x * (2 / self.levels) - 1

    def _colours(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, C, …) → (1, B · …) for each colour; all scalars as one where they are no colours."""
        if x.dim() < 2 or (self.channels > 1 and x.shape[1] != self.channels):
            raise RheonError(
                f"DiscretisedLogistics was built for {self.channels} channels, got {tuple(x.shape)}."
            )
        return x.transpose(0, 1).reshape(1, -1).chunk(self.channels, 1)

    def _as_event(self, y: Tensor, like: Tensor) -> Tensor:
        batch, channels, *rest = like.shape
        return y.view(channels, batch, *rest).transpose(0, 1)

    def _by_parameter(self, params: Tensor) -> Tensor:
        """(B, P, C, …) → (P, C · B · …), without a copy where memory is in that order."""
        return params.movedim(0, 2).reshape(params.shape[1], -1)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, components={self.components}, channels={self.channels}"


def _off_the_ends(f: Tensor) -> Tensor:
    """f in [0, 1], a last place or so off 0 and 1, where y may be infinite."""
    least = torch.finfo(f.dtype).eps
    return f.clamp(least, 1 - least)


def _normal_quantile(left: Tensor, right: Tensor) -> Tensor:
    """Φ⁻¹(left) where left + right = 1, from the smaller of the two."""
    tail = torch.minimum(left, right)
    y = torch.special.ndtri(tail)
    return torch.where(left < right, y, -y)


def _minus_log_density(y: Tensor) -> Tensor:
    """-log φ(y)."""
    return 0.5 * (y * y) + 0.5 * math.log(2 * math.pi)
