"""Mixture of logistics: f̂ = affine ∘ logit ∘ F, where F is the CDF of a K-component mixture."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rheon.elementwise.affine import Affine
from rheon.elementwise.base import Elementwise
from rheon.errors import RheonError

_ROUNDS = 120
"""Enough to halve any bracket of float64 numbers down to its last bit, with as many Newton steps between."""


class MixtureOfLogistics(Elementwise):
    """y = exp(s) logit F(x) + t, with F(x) = Σ_k π_k sigmoid((x - μ_k) / e^{c_k}), ψ in R^(3K+2).

    ψ = (t, s, log π, μ, c): s and c bounded as in :class:`Affine`, μ times a fixed gain for each component.

        log dy/dx = s + log F'(x) - log F(x) - log(1 - F(x))

    Strictly increasing from R onto R. There is no closed inverse: it is bracketed by the components' own
    quantiles and found by Newton steps with bisection; its gradients are those of the implicit function.

    Reference: Ho, Chen, Srinivas, Duan, Abbeel, *Flow++: Improving Flow-Based Generative Models with
    Variational Dequantization and Architecture Design*, 2019, arXiv:1902.00275.

    Args:
        components: K.
        bound: largest |s| and |c_k|, in nats.

    Raises:
        RheonError: ``components`` is below 1; ``bound`` is not positive and finite.

    >>> import torch
    >>> from rheon.elementwise import MixtureOfLogistics
    >>> mixture, psi = MixtureOfLogistics(components=2), torch.linspace(-1, 1, 8).view(1, 8, 1)
    >>> y, log_dy = mixture(torch.tensor([[1.5]]), psi)
    >>> mixture.inverse(y, psi)[0]
    tensor([[1.5000]])
    """

    iterative = True

    def __init__(self, components: int = 4, bound: float = 3.0) -> None:
        super().__init__()
        if components < 1:
            raise RheonError(f"MixtureOfLogistics: components must be at least 1, got {components}.")
        self.components, self.bound = components, bound
        self.num_params = 3 * components + 2
        self.affine = Affine(bound)
        # With ψ = 0 all components coincide (the identity) and would for ever receive the same gradient;
        # a gain of its own for each mean parts them at the first step.
        self.gains: Tensor
        signs = torch.arange(components) % 2 * 2.0 - 1
        gains = signs * torch.linspace(0.5, 1, components)
        self.register_buffer("gains", gains, persistent=False)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = _logit_mixture(x, *self._mixture(params))
        z, log_scale = self.affine(y, params[:, :2])
        return z, log_slope + log_scale

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        target, log_scale = self.affine.inverse(y, params[:, :2])
        mixture = self._mixture(params)
        with torch.no_grad():
            x = _solve(target, *mixture)
        value, log_slope = _logit_mixture(x, *mixture)
        if torch.is_grad_enabled():
            # By the implicit function theorem dx = (dy - ∂f) / f': a term that is zero carries the gradient.
            slack = target - value
            largest = math.log(torch.finfo(x.dtype).max) / 2
            x = x + (slack - slack.detach()) * (-log_slope.detach()).clamp(max=largest).exp()
            _, log_slope = _logit_mixture(x, *mixture)
        return x, log_scale - log_slope

    def _mixture(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        k = self.components
        weights, means, scales = params[:, 2:].split((k, k, k), 1)
        gains = self.gains.to(params.dtype).view(k, *(1,) * (params.dim() - 2))
        return weights.log_softmax(1), means * gains, (scales / self.bound).tanh() * self.bound

    def extra_repr(self) -> str:
        return f"components={self.components}, bound={self.bound}"


def _logit_mixture(x: Tensor, log_pi: Tensor, mu: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """logit F(x) and the log of its slope, from log F and log(1 - F), so that no tail rounds to 0 or 1."""
    u = (x.unsqueeze(1) - mu) * (-c).exp()
    log_left, log_right = logsigmoid(u), logsigmoid(-u)
    log_cdf = (log_pi + log_left).logsumexp(1)
    log_rest = (log_pi + log_right).logsumexp(1)
    # F' over the smaller of F and 1 - F first, as a mean over the components: in a far tail both are of the
    # size e^-|u|, and the difference of their logarithms would round e^-c away.
    left = ((log_pi + log_left).log_softmax(1) + log_right - c).logsumexp(1) - log_rest
    right = ((log_pi + log_right).log_softmax(1) + log_left - c).logsumexp(1) - log_cdf
    return log_cdf - log_rest, torch.where(log_cdf < log_rest, left, right)


def _solve(y: Tensor, log_pi: Tensor, mu: Tensor, c: Tensor) -> Tensor:
    """x with logit F(x) = y. F lies between its components, so x lies between their quantiles at y."""
    quantiles = mu + c.exp() * y.unsqueeze(1)
    low, high = quantiles.amin(1), quantiles.amax(1)
    x, last = (low + high) / 2, high - low
    # Newton's steps, and a bisection wherever one would leave the bracket or is not half of the one before:
    # so either the step or the bracket halves each time, and no steps run in a circle.
    tolerance = 2 * torch.finfo(y.dtype).eps
    settled = torch.zeros_like(y, dtype=torch.bool)
    for _ in range(_ROUNDS):
        value, log_slope = _logit_mixture(x, log_pi, mu, c)
        error = value - y
        low, high = torch.where(error < 0, x, low), torch.where(error > 0, x, high)
        step = error * (-log_slope).exp()
        newton = torch.clamp(x - step, low, high)
        close = torch.minimum(step.abs(), high - low) <= tolerance * (1 + x.abs())
        good = close | ((newton == x - step) & (2 * step.abs() <= last.abs()))
        proposal = torch.where(settled, x, torch.where(good, newton, (low + high) / 2))
        last, x = proposal - x, proposal
        settled = settled | close  # a row that has arrived stays, whatever the others need
        if not torch.compiler.is_compiling() and bool(settled.all()):
            break
    return x
