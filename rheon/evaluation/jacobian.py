"""log|det ∂f/∂x| against the determinant of the Jacobian that autograd gives, end to end."""

import time

import torch

from rheon.evaluation.report import Check, measured, skipped
from rheon.evaluation.subject import Subject


def log_det(s: Subject, seconds: float) -> list[Check]:
    """log|det| of forward against slogdet of the Jacobian that autograd gives."""
    name, dims = "log-det against autograd", s.dims
    x, context = s.rows(max(1, min(64, 512 // dims)))
    claimed = s.flow.bijection(*s.rows(len(s.x)))[1][: len(x)]
    # One copy of a row for each of its D latents: D gradients in one backward pass.
    step = max(1, min(4096, 2**16 // dims))
    total, started = len(x) * dims, time.perf_counter()
    jacobian = []
    for first in range(0, total, step):
        of = torch.arange(first, min(first + step, total))
        row, latent = of // dims, of % dims
        with torch.enable_grad():
            copies = x[row].requires_grad_()
            z, _ = s.flow.bijection(copies, None if context is None else context[row])
            (gradient,) = torch.autograd.grad(z.flatten(1)[torch.arange(len(of)), latent].sum(), copies)
        jacobian.append(gradient.flatten(1))
        expected = (time.perf_counter() - started) * total / (first + len(of))
        if expected > seconds and first + len(of) < total:
            reason = (
                f"{dims}×{dims} Jacobian would take about {expected:.0f} s, more than seconds={seconds:g}"
            )
            return [skipped(name, reason)]
    true = torch.linalg.slogdet(torch.cat(jacobian).view(len(x), dims, dims)).logabsdet
    error = float((claimed - true).abs().max())
    return [measured(name, error, 1e-8, f"nats, slogdet of D={dims} on {len(x)} rows, float64")]
