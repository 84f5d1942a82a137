"""What a likelihood of images is: the probability itself, or a bound on it, and by which noise."""

from collections.abc import Mapping
from typing import Any

EXACT = "exact log P of the levels"


def likelihood(noise: str | None, draws: int = 1) -> str:
    """In words, what a figure is; figures of different kinds do not stand in one table.

    Args:
        noise: by which whole levels became real numbers, ``"uniform"`` or ``"learned"``; None: by none.
        draws: of it, over which the density is averaged before the logarithm.

    >>> likelihood(None), likelihood("uniform")
    ('exact log P of the levels', 'ELBO with uniform noise')
    >>> likelihood("learned", draws=16)
    'importance-weighted bound with 16 draws of learned noise'
    """
    if noise is None:
        return EXACT
    if draws == 1:
        return f"ELBO with {noise} noise"
    return f"importance-weighted bound with {draws} draws of {noise} noise"


def kinds(figures: Mapping[str, Any]) -> dict[str, str]:
    """Name → what it is, of those of a model directory's figures that are likelihoods of images.

    The model's own are what its directory says; simpler densities on dequantised images bound log P.

    >>> kinds({"bits_per_dim": 3.1, "gaussian_bits_per_dim": 5.2, "likelihood": EXACT, "test_images": 10})
    {'bits_per_dim': 'exact log P of the levels', 'gaussian_bits_per_dim': 'ELBO with uniform noise'}
    """
    own = figures.get("likelihood")
    known = {**_OF_SIMPLER, **(dict.fromkeys(_OF_MODEL, own) if isinstance(own, str) else {})}
    return {name: known[name] for name in figures if name in known}


def by_kind(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures in groups of one kind of likelihood, standard errors with them; ``""``: all that are none.

    >>> by_kind({"bits_per_dim": 3.1, "bits_per_dim_error": 0.1, "likelihood": EXACT, "test_images": 10})
    {'': {'test_images': 10}, 'exact log P of the levels': {'bits_per_dim': 3.1, 'bits_per_dim_error': 0.1}}
    """
    kind = kinds(figures)
    groups: dict[str, dict[str, Any]] = {"": {}}
    for name, value in figures.items():
        if name != "likelihood":
            groups.setdefault(kind.get(name.removesuffix("_error"), ""), {})[name] = value
    return groups


_OF_MODEL = ("bits_per_dim", "bits_per_dim_given_class")
_OF_SIMPLER = {
    "mixture_bits_per_dim": likelihood("uniform"),
    "gaussian_bits_per_dim": likelihood("uniform"),
    "histogram_bits_per_dim": EXACT,
}
