"""How far two tensors are apart, and how far numbers are from uniform."""

import math

import torch
from torch import Tensor

from rheon.evaluation.report import Check, measured

RATE = 1e-6
"""Of false alarms, where samples are judged."""


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The largest |a - b| of each row, (B,), scalars in units of their largest |b|; inf where not finite."""
    a, b = double(a).flatten(1), double(b).flatten(1)
    size = b.abs().nan_to_num(0.0, 0.0).amax(0)
    size = size.clamp_min(max(1e-6 * float(size.max()), 1e-300))
    return ((a - b).abs() / size).nan_to_num(torch.inf, torch.inf).amax(1)


def apart_nats(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| / (1 + |b|) of log-densities (B,); inf where not finite."""
    a, b = double(a), double(b)
    return ((a - b).abs() / (1 + b.abs())).nan_to_num(torch.inf, torch.inf)


def double(a: Tensor) -> Tensor:
    """The tensor in float64 on the CPU."""
    return a.to("cpu", torch.float64)


def uniformity(name: str, u: Tensor, what: str, allowance: float = 0.0) -> Check:
    """Whether u is uniform on (0, 1): the distance of its distribution function, by Kolmogorov and Smirnov.

    The limit is Dvoretzky, Kiefer, Wolfowitz and Massart's, √(log(2 / rate) / 2n), plus the allowance.
    """
    n, u = len(u), u.nan_to_num(-torch.inf).sort().values
    steps = torch.arange(n + 1, dtype=u.dtype) / n
    distance = float(torch.maximum((u - steps[:-1]).abs(), (u - steps[1:]).abs()).max())
    limit = math.sqrt(math.log(2 / RATE) / (2 * n)) + allowance
    return measured(name, distance, limit, f"KS, {what}, false alarms < {RATE:.0e}")
