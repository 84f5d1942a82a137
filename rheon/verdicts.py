"""Sentences that say how a model stands, each from a figure that its directory records and its limit.

The model card, the report and the command say the same, from here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rheon.bounds import kinds

_BASELINES = {
    "mixture_bits_per_dim": "a Gaussian mixture",
    "gaussian_bits_per_dim": "one Gaussian",
    "histogram_bits_per_dim": "independent pixels",
    "mixture_log_prob": "a Gaussian mixture",
    "gaussian_log_prob": "one Gaussian",
    "independent_log_prob": "independent columns",
}


@dataclass(frozen=True)
class Verdict:
    """One sentence that says how something stands, with its number, and what to do where it stands badly.

    Args:
        level: ``"good"``, ``"fair"`` (look at it) or ``"bad"`` (do not trust it).
        text: the sentence.
        advice: what to do; may be empty where it is good.
    """

    level: Literal["good", "fair", "bad"]
    text: str
    advice: str = ""


def likelihood(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    """The model against the best of the simpler models, on the same test rows.

    >>> [verdict] = likelihood({"log_prob": 2.0, "log_prob_error": 0.01, "mixture_log_prob": 1.5})
    >>> verdict.level, verdict.text
    ('good', '2.000 nats on test data, 0.500 better than a Gaussian mixture (1.500).')
    """
    images = "bits_per_dim" in figures
    name, unit = ("bits_per_dim", "bits/dim") if images else ("log_prob", "nats")
    if name not in figures:
        return
    sign = -1 if images else 1
    value, error = figures[name], figures.get(f"{name}_error", 0.0)
    others = {label: figures[key] for key, label in _BASELINES.items() if key in figures}
    kind = kinds(figures)
    of = {label: f", {kind[key]}" for key, label in _BASELINES.items() if key in kind}
    unit += f" ({kind[name]})" if name in kind else ""
    if not others:
        yield Verdict("fair", f"{value:.3f} {unit} on test data; no simpler model was fitted beside it.")
        return
    label = max(others, key=lambda key: sign * others[key])
    gain, beside = sign * (value - others[label]), f"{label} ({others[label]:.3f}{of.get(label, '')})"
    if gain > 2 * error:
        yield Verdict("good", f"{value:.3f} {unit} on test data, {gain:.3f} better than {beside}.")
    elif gain > -2 * error:
        yield Verdict(
            "fair",
            f"{value:.3f} {unit} on test data, within chance of {beside}.",
            "Train longer, or use the simpler model.",
        )
    else:
        yield Verdict(
            "bad",
            f"{value:.3f} {unit} on test data, {-gain:.3f} worse than {beside}.",
            "Train longer or on more data; until then the simpler model is the better one.",
        )


def training(facts: Mapping[str, Any]) -> Iterator[Verdict]:
    """Whether training ended because nothing got better, or because its time was up."""
    steps, best = facts.get("steps"), facts.get("best_step")
    if not steps or not best:
        return
    if best > 0.9 * steps and "early" not in str(facts.get("ended")):
        yield Verdict(
            "fair",
            f"The best weights are those of step {best:,} of {steps:,}: it was still getting better.",
            "A longer budget is likely to give a better model.",
        )
    else:
        yield Verdict("good", f"It had stopped getting better: step {best:,} of {steps:,} was the best.")


def exactness(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    """Whether f⁻¹(f(x)) was x on test data, and whether the density integrates to one.

    >>> [verdict.level for verdict in exactness({"round_trip_error": 1e-5, "integral": 1.2})]
    ['good', 'bad']
    """
    error = figures.get("round_trip_error")
    if isinstance(error, float):
        of = "grey levels" if "bits_per_dim" in figures else "standard deviations"
        if error <= 1e-2:
            yield Verdict("good", f"The flow inverts: f⁻¹(f(x)) is within {error:.1e} {of} of test data x.")
        else:
            yield Verdict(
                "bad",
                f"The flow inverts badly: f⁻¹(f(x)) differs from test data x by {error:.1e} {of}.",
                "Samples and densities may not belong together; train with a smaller learning rate.",
            )
    total = figures.get("integral")
    if isinstance(total, float):
        if abs(total - 1) <= 5e-3:
            yield Verdict("good", f"The density integrates to {total:.4f}, in the columns' own units.")
        else:
            yield Verdict(
                "bad", f"The density integrates to {total:.4f}.", "Do not use its numbers: see rheon check."
            )


def recorded(info: Mapping[str, Any]) -> Iterator[Verdict]:
    """All that can be said from what a model directory records."""
    figures = info.get("figures") or {}
    yield from likelihood(figures)
    yield from training(info.get("training") or {})
    yield from exactness(figures)
