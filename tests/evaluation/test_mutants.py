"""Flows with one deliberate error each: the battery sees every one, the usual checks see almost none.

A mutant is a sound flow with one line changed, made by a small wrapper or subclass. Half of them have a wrong
density under a perfect map: forward and inverse agree with each other in everything, log-dets included.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from rheon.bijections import (
    ActNorm,
    BatchNorm,
    Bijection,
    Composition,
    Coupling,
    Logit,
    Scaling,
    Standardise,
)
from rheon.conditioners import MLP
from rheon.distributions import StandardLogistic, StandardNormal
from rheon.elementwise import Affine
from rheon.evaluation import check_flow
from rheon.flow import Flow
from rheon.partitions import Halves

USUAL = {
    "round trip x → z → x",
    "round trip z → x → z",
    "latents and back",
    "log-dets cancel",
    "sample_and_log_prob",
    "finite at ±12 σ",
}


class Changed(Bijection):
    """A bijection whose log-det has gone through ``change``, in both directions alike."""

    def __init__(self, inner: Bijection, change: Callable) -> None:
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, x, context=None):
        z, log_det = self.inner(x, context)
        return z, self.change(log_det)

    def inverse(self, z, context=None):
        x, log_det = self.inner.inverse(z, context)
        return x, -self.change(-log_det)


class LeakyAffine(Affine):
    """The shift t is added to the log-det."""

    def forward(self, x, params):
        y, s = super().forward(x, params)
        return y, s + params[:, 0]

    def inverse(self, y, params):
        x, minus_s = super().inverse(y, params)
        return x, minus_s - params[:, 0]


class WrongInverse(Affine):
    """x = (y + t) exp(-s)."""

    def inverse(self, y, params):
        x, minus_s = super().inverse(y + 2 * params[:, 0], params)
        return x, minus_s


class SameSign(Affine):
    """The inverse returns the log-det of forward."""

    def inverse(self, y, params):
        x, minus_s = super().inverse(y, params)
        return x, -minus_s


class NoConstant(StandardNormal):
    """-½ Σ z², without -½ D log 2π."""

    def log_prob(self, z, context=None):
        return super().log_prob(z) + 0.5 * math.log(2 * math.pi) * z[0].numel()


class OtherSampler(StandardNormal):
    """Draws from a logistic of the same variance."""

    def sample(self, n, context=None, temperature=1.0, generator=None):
        z = StandardLogistic(self.event_shape).to(self.dtype).sample(n, None, temperature, generator)
        return z * math.sqrt(3) / math.pi


class ColdSampler(Flow):
    """Samples at temperature 0.9 whatever is asked for."""

    def sample(self, n, context=None, temperature=1.0, generator=None):
        return super().sample(n, context, 0.9 * temperature, generator)


class GlobalSampler(Flow):
    """Draws from torch's global generator."""

    def sample(self, n, context=None, temperature=1.0, generator=None):
        return super().sample(n, context, temperature, generator) + 0 * torch.randn(1)


class ConstantInLogProb(Flow):
    """log p is 0.3 nats too high, in log_prob alone."""

    def forward(self, x, context=None):
        return super().forward(x, context) + 0.3


class _WrongSlope(torch.autograd.Function):
    """exp, with 0.9 of its derivative."""

    @staticmethod
    def forward(ctx, s):
        y = s.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        return 0.9 * grad * ctx.saved_tensors[0]


class WrongSlope(Scaling):
    """A derivative written by hand, by a weight, and wrong."""

    def forward(self, x, context=None):
        return x * _WrongSlope.apply(self.log_scale), self.log_scale.sum().expand(len(x))


class WrongFastSlope(WrongSlope):
    """The same, in single precision alone."""

    def forward(self, x, context=None):
        if x.dtype == torch.float32 and torch.is_grad_enabled():
            return super().forward(x, context)
        return Scaling.forward(self, x, context)


class WrongFastWay(Scaling):
    """Where gradients are wanted in single precision, last year's weights are used."""

    def forward(self, x, context=None):
        z, log_det = super().forward(x, context)
        stale = x.dtype == torch.float32 and torch.is_grad_enabled()
        return (z * 1.1 if stale else z), log_det


class WrongTailSlope(Scaling):
    """The derivative is wrong where z_1 > 1, in the tail."""

    def forward(self, x, context=None):
        z, log_det = super().forward(x, context)
        wrong = x * _WrongSlope.apply(self.log_scale)
        return torch.where(z[:, :1] > 1, wrong, z), log_det


class WrongFastTail(Scaling):
    """In single precision, values beyond z = 2 come back from a rounded table."""

    def inverse(self, z, context=None):
        x, log_det = super().inverse(z, context)
        rounded = (z > 2) & (z.dtype == torch.float32)
        return torch.where(rounded, x.bfloat16().to(x.dtype), x), log_det


class Overflows(Scaling):
    """The log-det is nothing beyond |z| = 8."""

    def forward(self, x, context=None):
        z, log_det = super().forward(x, context)
        return z, torch.where(z.abs().amax(1) > 8, torch.nan, log_det)


class NoNumber(Scaling):
    """z_1 > 1.5 is lost."""

    def forward(self, x, context=None):
        z, log_det = super().forward(x, context)
        return torch.where(z[:, :1] > 1.5, torch.nan, z), log_det


class SingleLogit(Logit):
    """Computes in single precision, where the edges of its domain come too soon."""

    def forward(self, x, context=None):
        z, log_det = super().forward(x.float(), context)
        return z.to(x.dtype), log_det.to(x.dtype)


class MendsNaN(Flow):
    """NaN becomes a number."""

    def forward(self, x, context=None):
        return super().forward(x.nan_to_num(0.0), context)


class InPlace(Flow):
    """Moves the caller's x."""

    def forward(self, x, context=None):
        return super().forward(x.add_(0.1), context)


class BatchStatistics(BatchNorm):
    """Those of the batch at evaluation too."""

    def forward(self, x, context=None):
        return BatchNorm.forward(self.train(), x, context)


class ChannelsOnly(ActNorm):
    """Σ s without the factor H W."""

    def _log_det(self, x):
        return self.log_scale.sum().expand(len(x))


def flow(
    features=2,
    elementwise=Affine,
    base=StandardNormal,
    whole=None,
    layer=None,
    scale=None,
    standardise=None,
    norm=ActNorm,
    last=Scaling,
    kind=Flow,
):
    """Standardise, norm, three affine couplings, scaling on a base, every one of which can be exchanged.

    Weights are random, so that no log-det is 0.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        part = Halves()
        f = [Standardise(torch.linspace(-1, 2, features), torch.linspace(0.5, 3, features)), norm(features)]
        if standardise:
            f[0] = Changed(f[0], standardise)
        for k in range(3):
            turned = part.swapped() if k % 2 and features > 1 else part
            kept, changed = turned.shapes((features,))
            f.append(Coupling(turned, elementwise(), MLP(kept[0], 2 * changed[0], (16, 16))))
        f.append(last(features))
        if layer:
            f[3] = Changed(f[3], layer)
        if scale:
            f[-1] = Changed(f[-1], scale)
        made = kind(Composition(f), base(features))
        if whole:
            made.bijection = Changed(made.bijection, whole)
        for weight in made.parameters():
            nn.init.normal_(
                weight, std=0.3 / math.sqrt(weight[0].numel() if weight.dim() > 1 and weight.numel() else 1)
            )
    return made


JACOBIAN, INTEGRAL, SAMPLES = "log-det against autograd", "integral of p", "samples against p"

# The density is wrong and the map is right: (mutant, checks that must see it).
WRONG_DENSITY = {
    "log-det with the wrong sign": (flow(whole=lambda d: -d), {JACOBIAN, INTEGRAL, SAMPLES}),
    "log-det of one layer dropped": (flow(layer=lambda d: 0 * d), {JACOBIAN, INTEGRAL, SAMPLES}),
    "log-det halved": (flow(whole=lambda d: d / 2), {JACOBIAN, INTEGRAL, SAMPLES}),
    "log-det to base 2": (flow(whole=lambda d: d / math.log(2)), {JACOBIAN, INTEGRAL, SAMPLES}),
    "log-det of the last scaling forgotten": (flow(scale=lambda d: 0 * d), {JACOBIAN, INTEGRAL}),
    "shift leaks into the log-det": (flow(elementwise=LeakyAffine), {JACOBIAN, INTEGRAL, SAMPLES}),
    "constant added": (flow(whole=lambda d: d + 0.05), {JACOBIAN, INTEGRAL}),
    "log-det averaged over the batch": (
        flow(whole=lambda d: d.mean().expand(len(d))),
        {JACOBIAN, "rows alone and together"},
    ),
    "standardiser's log-det forgotten": (flow(standardise=lambda d: 0 * d), {JACOBIAN, INTEGRAL}),
    "standardiser's log-det twice": (flow(standardise=lambda d: 2 * d), {JACOBIAN, INTEGRAL}),
    "standardiser's log-det a mean": (flow(standardise=lambda d: d / 2), {JACOBIAN, INTEGRAL}),
    "base without its constant": (flow(base=NoConstant), {INTEGRAL}),
    "the same, in four dimensions": (flow(4, base=NoConstant), {"base integrates to 1", SAMPLES}),
    "log-det a mean, in four dimensions": (flow(4, layer=lambda d: d / 2), {JACOBIAN}),
    "log-det in single precision": (flow(whole=lambda d: d.float().double()), {JACOBIAN}),
}

WRONG_OTHERWISE = {
    "inverse with a wrong sign": (flow(elementwise=WrongInverse), {"round trip x → z → x", SAMPLES}),
    "inverse with forward's log-det": (
        flow(elementwise=SameSign),
        {"log-dets cancel", "sample_and_log_prob"},
    ),
    "sampler at temperature 0.9": (flow(kind=ColdSampler), {SAMPLES}),
    "the same, in one dimension": (flow(1, kind=ColdSampler), {SAMPLES}),
    "the same, in four dimensions": (flow(4, kind=ColdSampler), {"latents of samples"}),
    "the same, in 16 dimensions": (flow(16, kind=ColdSampler), {"latents of samples"}),
    "sampler of another shape": (flow(base=OtherSampler), {SAMPLES}),
    "batch statistics at evaluation": (
        flow(norm=BatchStatistics),
        {JACOBIAN, "rows alone and together", "round trip x → z → x"},
    ),
    "log p has something more": (
        flow(kind=ConstantInLogProb),
        {"log p = log p_Z(f(x)) + log-det", "sample_and_log_prob", INTEGRAL},
    ),
    "derivative by hand is wrong": (
        flow(last=WrongSlope),
        {"gradient of log p"},
    ),
    "the same, on a fast way": (flow(last=WrongFastSlope), {"gradient in float32"}),
    "old weights on a fast way": (flow(last=WrongFastWay), {"gradient in float32"}),
    "NaN becomes a number": (flow(kind=MendsNaN), {"NaN stays NaN"}),
    "global random state used": (flow(kind=GlobalSampler), {"no side effects"}),
    "input changed": (flow(kind=InPlace), {"no side effects"}),
}


@pytest.mark.parametrize("features", [1, 2, 4])
def test_the_sound_flow_passes(features):
    check_flow(flow(features)).raise_if_failed()


@pytest.mark.parametrize("name", WRONG_DENSITY)
def test_a_wrong_density_is_seen_and_not_by_the_usual_checks(name):
    mutant, seen_by = WRONG_DENSITY[name]
    report = check_flow(mutant)
    failed = {check.name for check in report.failures}
    assert failed >= seen_by, report
    assert not failed & USUAL, report
    assert {check.name for check in report.checks} >= USUAL


@pytest.mark.parametrize("name", WRONG_OTHERWISE)
def test_another_error_is_seen(name):
    mutant, seen_by = WRONG_OTHERWISE[name]
    report = check_flow(mutant)
    assert {check.name for check in report.failures} >= seen_by, report


def behind_logit(logit=Logit, last=Scaling):
    """Scaling behind a logit: samples come within 1e-6 of the edges of [0, 17], latents at 12 σ onto them."""
    scaling = last(4)
    nn.init.constant_(scaling.log_scale, -1.2)
    return Flow(Composition([logit(17), scaling]), StandardNormal(4))


def test_the_sound_flow_behind_a_logit_passes_with_an_allowance_for_rounding():
    report = check_flow(behind_logit())
    report.raise_if_failed()
    allowed = {check.name for check in report.checks if "explains" in check.detail or "edge" in check.detail}
    assert allowed >= {"round trip in float32", "finite at ±12 σ"}, report


@pytest.mark.parametrize(
    ("parts", "seen_by"),
    [
        ({"last": WrongSlope}, "gradient of log p"),
        ({"last": WrongTailSlope}, "gradient of log p"),
        ({"last": WrongFastSlope}, "gradient in float32"),
        ({"last": WrongFastTail}, "round trip in float32"),
        ({"last": NoNumber}, "round trip z → x → z"),
        ({"last": Overflows}, "finite at ±12 σ"),
        ({"logit": SingleLogit}, "finite at ±12 σ"),
    ],
)
def test_an_error_behind_a_logit_is_seen_in_spite_of_the_allowance(parts, seen_by):
    report = check_flow(behind_logit(**parts))
    assert seen_by in {check.name for check in report.failures}, report


def test_a_missing_pixel_count_is_seen():
    layer = ChannelsOnly(2)
    report = check_flow(layer, x=torch.randn(20, 2, 4, 4))
    assert [check.name for check in report.failures] == [JACOBIAN]


def test_an_ignored_context_is_seen():
    class Deaf(torch.nn.Module):  # an MLP would say that it takes no context, and the flow be refused
        def forward(self, x_a, context=None):
            return x_a.tanh().expand(-1, 2)

    layer = Coupling(Halves(), Affine(), Deaf())
    report = check_flow(layer, x=torch.randn(20, 2), context=torch.randn(20, 3))
    assert [check.name for check in report.failures] == ["context is used", "NaN stays NaN"]


def test_errors_hide_in_an_identity_unless_it_is_stirred():
    """Why weights at rest receive noise: before training every coupling is the identity."""
    untrained = Changed(Coupling(Halves(), Affine(), MLP(2, 4)), lambda d: -d)
    _, log_det = untrained(torch.randn(5, 4))
    assert bool((log_det == 0).all())
    report = check_flow(untrained, x=torch.randn(20, 4))
    assert JACOBIAN in {check.name for check in report.failures}
    assert "parameters at rest" in report.note
