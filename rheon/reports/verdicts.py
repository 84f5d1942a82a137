"""Sentences that say how a model stands, each from one number and its limit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheon.bounds import kinds
from rheon.evaluation.report import Report
from rheon.reports.page import Verdict

_BASELINES = {
    "mixture_bits_per_dim": "a Gaussian mixture",
    "gaussian_bits_per_dim": "one Gaussian",
    "histogram_bits_per_dim": "independent pixels",
    "mixture_log_prob": "a Gaussian mixture",
    "gaussian_log_prob": "one Gaussian",
    "independent_log_prob": "independent columns",
}


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


def round_trip(error: float, unit: str, limit: float = 1e-2) -> Verdict:
    """Whether f⁻¹(f(x)) is x."""
    if error <= limit:
        return Verdict("good", f"The flow inverts: f⁻¹(f(x)) differs from x by {error:.1e} {unit} at most.")
    return Verdict(
        "bad",
        f"The flow inverts badly: f⁻¹(f(x)) differs from x by {error:.1e} {unit}.",
        "Samples and densities may not belong together; train with a smaller learning rate.",
    )


def battery(found: Report) -> Verdict:
    """What ``check_flow`` found on this very model."""
    made = [check for check in found.checks if check.passed is not None]
    if found.passed:
        return Verdict("good", f"The density is one: {len(made)} checks on this model's flow, none failed.")
    names = ", ".join(check.name for check in found.failures)
    return Verdict(
        "bad",
        f"{len(found.failures)} of {len(made)} checks on this model's flow failed: {names}.",
        "Do not use its numbers before `rheon check` says why.",
    )


def batches(same: bool) -> Verdict:
    """Whether a row's score depends on the rows beside it."""
    if same:
        return Verdict("good", "A row's score has the same bits alone and beside others.")
    return Verdict("bad", "A row's score depends on the rows beside it.", "Report this: it is a fault.")


def calibrated(ks: Mapping[str, float], n: int) -> Iterator[Verdict]:
    """The largest Kolmogorov-Smirnov distance of a column between real and drawn rows, n of each."""
    if not ks:
        return
    name = max(ks, key=lambda key: ks[key])
    chance = 1.95 * float(np.sqrt(2 / n))  # passed by chance in one of a thousand columns
    if ks[name] <= max(chance, 0.02):
        yield Verdict("good", f"Calibrated: the largest KS distance of a column is {ks[name]:.3f} ({name}).")
        return
    worse = sorted((key for key in ks if ks[key] > max(chance, 0.02)), key=lambda key: -ks[key])
    yield Verdict(
        "fair" if ks[name] < 0.1 else "bad",
        f"{len(worse)} of {len(ks)} columns are drawn off their real distribution, most of all {name} "
        f"(KS {ks[name]:.3f}, chance reaches {chance:.3f}).",
        f"Do not trust the distribution of {', '.join(worse[:5])}; look at the marginals below.",
    )


def tails(
    real: Mapping[str, NDArray[Any]], drawn: Mapping[str, NDArray[Any]], names: Sequence[str]
) -> Iterator[Verdict]:
    """Columns of numbers of which more than a hundredth of real values lies beyond 99.9 % of drawn ones."""
    for name in names:
        x, y = (np.asarray(part[name], float) for part in (real, drawn))
        x, y = x[~np.isnan(x)], y[~np.isnan(y)]
        if len(x) < 200 or len(y) < 1000:
            continue
        low, high = np.quantile(y, (0.0005, 0.9995))
        share = float(((x < low) | (x > high)).mean())
        if share > 0.01:
            yield Verdict(
                "fair",
                f"{share:.1%} of the real values of {name} lie beyond 99.9 % of the drawn ones.",
                f"Do not trust the tails of column {name}.",
            )


def two_samples(auc: Mapping[str, float]) -> Verdict:
    """How well classifiers tell drawn from real rows."""
    text = (
        f"Classifiers tell drawn from real rows with an AUC of {auc['boosting']:.2f} (gradient boosting) and "
        f"{auc['logistic']:.2f} (logistic regression); 0.5 is chance."
    )
    worst = max(auc.values())
    if worst < 0.6:
        return Verdict("good", text)
    if worst < 0.8:
        return Verdict("fair", text, "Drawn rows are near real ones, not the same.")
    return Verdict("bad", text, "Drawn rows do not pass for real ones; the pairs below show where.")


def copies(distance: NDArray[np.float64], usual: NDArray[np.float64]) -> Verdict:
    """Whether drawn images are nearer to training images than unseen real ones are."""
    least, typical = float(distance.min()), float(np.quantile(usual, 0.01))
    text = (
        f"The nearest that a drawn image comes to one of the data is {least:.1f} grey levels; of real images "
        f"one in a hundred comes as near as {typical:.1f}."
    )
    if least >= 0.5 * typical:
        return Verdict("good", f"Nothing is copied. {text}")
    return Verdict("fair", text, "Look at the nearest images below: some draws may be copies.")
