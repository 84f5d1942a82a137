"""The figures of a fit in words, from what the model directory records: after ``fit``, and in ``info``."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from rheon.bounds import kinds

_MODEL = {"this model": ("bits_per_dim", "log_prob"), "  given the class": ("bits_per_dim_given_class",)}
_BASELINES = {
    "Gaussian mixture": ("mixture_bits_per_dim", "mixture_log_prob"),
    "one Gaussian": ("gaussian_bits_per_dim", "gaussian_log_prob"),
    "independent pixels": ("histogram_bits_per_dim",),
    "independent columns": ("independent_log_prob",),
    "the true density": ("true_log_prob",),
}


def baselines_of(figures: Mapping[str, Any]) -> dict[str, float]:
    """What stands beside the model, by its name for people.

    >>> baselines_of({"bits_per_dim": 2.0, "gaussian_bits_per_dim": 2.5, "gaussian_bits_per_dim_error": 0.1})
    {'one Gaussian (ELBO)': 2.5}
    """
    short = {name: f" ({kind.split()[0]})" for name, kind in kinds(figures).items()}
    return {
        label + short.get(name, ""): figures[name]
        for label, names in _BASELINES.items()
        for name in names
        if name in figures
    }


def closing(figures: Mapping[str, Any]) -> Iterator[str]:
    """A table of test figures, each with its standard error, and what was measured beside them.

    Likelihoods of images that are not of one kind stand under different heads.
    """
    number, noun = next(
        ((figures[f"test_{noun}"], noun) for noun in ("images", "rows") if f"test_{noun}" in figures),
        ("some", "rows"),
    )
    unit = "bits/dim, lower is better" if noun == "images" else "mean log p in nats, higher is better"
    yield f"  {number:,} test {noun}: {unit}" if isinstance(number, int) else f"  test {noun}: {unit}"
    kind = kinds(figures)
    rows = [(label, name) for label, names in (_MODEL | _BASELINES).items() for name in names]
    for head in dict.fromkeys(kind.get(name, "") for _, name in rows if name in figures):
        if head:
            yield f"  {head}"
        for label, name in rows:
            value, error = figures.get(name), figures.get(f"{name}_error")
            if isinstance(value, Real) and kind.get(name, "") == head:
                spread = f" ± {error:.3f}" if isinstance(error, Real) else ""
                yield f"    {label:<20}{value:>9.3f}{spread}"
    if isinstance(accuracy := figures.get("accuracy"), Real):
        yield f"  most probable class is the label's: {100 * float(accuracy):.1f} %"
    trip = figures.get("round_trip_error")
    if isinstance(trip, Real):
        measure = "grey levels" if noun == "images" else "standard deviations"
        yield f"  round trip f⁻¹(f(x)) - x: {trip:.1e} {measure} at most"
    integral = figures.get("integral")
    if isinstance(integral, Real):
        yield f"  integral of the density: {integral:.4f}"


def training_line(training: Mapping[str, Any]) -> str:
    """How training went, in one sentence."""
    speed = next((f", {v:,.0f} {k[:-11]}/s" for k, v in training.items() if k.endswith("_per_second")), "")
    best, steps = training["best_step"], training["steps"]
    return (
        f"trained for {training['seconds']:.0f} s, {steps:,} step{'s' * (steps > 1)}{speed}; "
        f"ended {training['ended']}; the weights of step {best:,} were best"
    )
