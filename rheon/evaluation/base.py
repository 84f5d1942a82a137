"""Checks of the base: it integrates to 1 in any dimension, and the latents of samples are distributed by it.

The scalars of a base are independent, p_Z(z) = Π_j p_j(z_j), so that along each axis through any point o the
profile of p_Z is p_j up to a constant, and

    log p_Z(o) + Σ_j log ∫ p_Z(o + t e_j) / p_Z(o) dt = 0.

With a log-det that agrees with autograd this makes p itself integrate to 1, where no grid reaches.
"""

from functools import partial

import torch
from torch import Tensor

from rheon.evaluation.compare import uniformity
from rheon.evaluation.cubature import Cells, cubature
from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.subject import Subject


def base_density(s: Subject) -> list[Check]:
    """The base integrates to 1, and the latents of the flow's samples are distributed by it, D > 2."""
    if s.dims <= 2:
        return []
    names = ("base integrates to 1", "latents of samples")
    context = None if s.context is None else s.context[:1]
    profile = _Profile(s, context)
    if profile.refusal:
        return [skipped(name, profile.refusal) for name in names]
    n = -(-(2**15) // s.dims)
    draws = s.flow.sample(n, None if context is None else context[0], generator=s.generator())
    z = s.flow.bijection(draws, None if context is None else context.expand(n, -1))[0].flatten(1)
    return [
        measured(names[0], abs(profile.log_total), 1e-5, "nats, along every axis"),
        uniformity(names[1], profile.cdf(z).flatten(), f"{n} samples of {s.dims} latents"),
    ]


class _Profile:
    """The densities p_j of a base's independent scalars, along the axes through o, j = 1 … D.

    refusal    why they cannot be had, or ""
    log_total  log of the integral of the base
    """

    refusal = ""
    log_total = torch.nan

    def __init__(self, s: Subject, context: Tensor | None) -> None:
        self.base, self.shape, self.context = s.flow.base, s.z.shape[1:], context
        z = self.base.sample(1024, self._conditions(1024), generator=s.generator()).flatten(1)
        # One place and scale, and one profile, serve for all scalars where they are alike.
        self.origin, self.scale = (
            values.expand(s.dims) for values in _place_and_scale(z[:, :16].reshape(-1, 1))
        )
        alike = self._alike()
        if not alike:
            self.origin, self.scale = _place_and_scale(z)
        if not alike and s.dims > 64:
            self.refusal = "the scalars of the base differ from each other, D > 64"
        elif not all(self._independent(row) for row in z[:2]):
            self.refusal = "the scalars of the base are not independent"
        else:
            self._integrate([0] if alike else list(range(s.dims)))

    def along(self, axis: int | Tensor, t: Tensor) -> Tensor:
        """log p_Z(o + t e_axis) - log p_Z(o), for t (B,) and one axis or one for each."""
        axes = torch.as_tensor(axis).expand(len(t))
        parts = []
        for rows in torch.arange(len(t)).split(max(1, 2**21 // len(self.origin))):
            moved = self.origin.expand(len(rows), -1).clone()
            moved[torch.arange(len(rows)), axes[rows]] += t[rows]
            parts.append(self._log_p(moved))
        return torch.cat(parts) - self._log_p(self.origin[None])

    def cdf(self, z: Tensor) -> Tensor:
        """P(Z_j ≤ z_j), (D, B), for z (B, D)."""
        t = ((z - self.origin) / self.scale).T.contiguous()
        right = torch.searchsorted(self._edges, t).clamp(1, len(self._edges) - 1)
        share = (t - self._edges[right - 1]) / (self._edges[right] - self._edges[right - 1])
        table = self._cdf.expand(len(t), -1)
        below, above = table.gather(1, right - 1), table.gather(1, right)
        return below + share.clamp(0, 1) * (above - below)

    def _integrate(self, axes: list[int]) -> None:
        # In units of each scalar's scale: narrow cells at o, wide ones out to 1e8.
        self._edges = torch.linspace(-19, 19, 2049, dtype=self.origin.dtype).sinh()
        cells = Cells(self._edges[:-1, None], self._edges[1:, None])
        mass = torch.stack(
            [cubature(partial(self._along_one, j), cells, 1e-9, 1 << 18).mass * self.scale[j] for j in axes]
        )
        total = mass.sum(1)
        self._cdf = torch.cat((torch.zeros_like(mass[:, :1]), mass.cumsum(1)), 1) / total[:, None]
        self.log_total = float(self._log_p(self.origin[None]) + total.log().mean() * len(self.origin))

    def _along_one(self, axis: int, t: Tensor) -> Tensor:
        return self.along(axis, self.scale[axis] * t[:, 0])

    def _alike(self) -> bool:
        """Whether the profiles along all axes agree, at three places."""
        axes = torch.arange(len(self.origin))
        for place in (-1.7, 0.6, 2.9):
            p = self.along(axes, place * self.scale)
            if not bool(((p - p[0]).abs() <= 1e-9 * (1 + p[0].abs())).all()):
                return False
        return True

    def _independent(self, z: Tensor) -> bool:
        """Whether log p_Z(z) - log p_Z(o) is the sum of what each scalar adds."""
        parts = self.along(torch.arange(len(z)), z - self.origin).sum()
        whole = self._log_p(z[None]) - self._log_p(self.origin[None])
        return bool((parts - whole).abs() <= 1e-9 * len(z))

    def _log_p(self, z: Tensor) -> Tensor:
        return self.base.log_prob(z.reshape(-1, *self.shape), self._conditions(len(z)))

    def _conditions(self, n: int) -> Tensor | None:
        return None if self.context is None else self.context.expand(n, -1)


def _place_and_scale(z: Tensor) -> tuple[Tensor, Tensor]:
    """Median, and half of what lies between the quantiles of ±1 σ, of each column."""
    low, middle, high = torch.quantile(z, torch.tensor([0.16, 0.5, 0.84], dtype=z.dtype), 0)
    return middle, (high - low) / 2
