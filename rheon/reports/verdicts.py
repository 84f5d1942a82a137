"""Sentences on a model from what was measured for the report, each from one number and its limit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheon.evaluation.report import Report
from rheon.verdicts import Verdict


def invariants(found: Report) -> Iterator[Verdict]:
    """What :func:`rheon.check` measured on this very model."""
    made = [check for check in found.checks if check.passed is not None]
    if found.passed:
        yield Verdict("good", f"The density is one: {len(made)} checks on this model, none failed.")
    else:
        names = ", ".join(check.name for check in found.failures)
        yield Verdict(
            "bad",
            f"{len(found.failures)} of {len(made)} checks on this model failed: {names}.",
            "Do not use its numbers before `rheon check` says why.",
        )
    trips = [check for check in made if check.name.startswith("round trip at")]
    if trips:
        at = ", ".join(f"{check.figure:.0e} {check.name.removeprefix('round trip ')}" for check in trips)
        fine = all(check.passed for check in trips)
        yield Verdict(
            "good" if fine else "bad",
            f"f⁻¹(f(x)) differs from x by {at}, relative.",
            "" if fine else "Draws that far out and their densities do not belong together.",
        )
    for check in made:
        if check.name in ("integral of p", "sum of P over all codes"):
            yield Verdict(
                "good" if check.passed else "bad",
                f"The {check.name} is off from one by {check.figure:.0e} (limit {check.limit:.0e}).",
                "" if check.passed else "What it gives is no density: do not use its numbers.",
            )
        elif check.name.endswith("score alone and together"):
            if check.passed:
                yield Verdict(
                    "good",
                    f"{check.name.partition(' score')[0].capitalize()} score has the same "
                    "bits alone and beside others.",
                )
            else:
                yield Verdict(
                    "bad", f"{check.name}: {check.figure:.0f} differ.", "Report this: it is a fault."
                )


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
