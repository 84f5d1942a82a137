"""NICE: additive couplings, a final diagonal scaling, a logistic base."""

from collections.abc import Sequence
from math import prod

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import alternate, check_conditioners, image_shape, positive
from rheon.bijections import Bijection, Composition, Coupling, Flatten, Scaling
from rheon.conditioners import MLP
from rheon.distributions import StandardLogistic, StandardNormal
from rheon.elementwise import Shift
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.partitions import Alternating


@architecture
def nice(
    features: int | Sequence[int],
    couplings: int = 4,
    hidden: Sequence[int] = (256, 256),
    base: str = "logistic",
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """NICE: x_B + t(x_A), ``couplings`` times, then z = exp(s) ⊙ x. Only the last layer changes the volume.

    Partitions alternate between the even and the odd features. Images are flattened, row by row.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516. The paper's image models have 4 couplings with 4 or 5 hidden layers of 1,000 to 5,000
    units.

    Args:
        features: D, or the shape (C, H, W) of an image.
        couplings: number of couplings; at least 3, better 4, for every feature to reach every other.
        hidden: width of each hidden layer.
        base: ``"logistic"`` or ``"normal"``.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> import torch
    >>> nice(6).log_prob(torch.zeros(2, 6)).shape
    torch.Size([2])
    """
    shape = (features,) if isinstance(features, int) else image_shape(features)
    size = prod(shape)
    positive(features=size, couplings=couplings)
    check_conditioners(hidden, context_features)
    bases = {"logistic": StandardLogistic, "normal": StandardNormal}
    if not isinstance(base, str) or base not in bases:
        raise RheonError(f"base must be 'logistic' or 'normal', got {base!r}.")
    layers: list[Bijection] = [] if len(shape) == 1 else [Flatten(shape)]
    (size_a,), _ = Alternating().shapes((size,)) if size > 1 else ((0,), (1,))
    partition = Alternating() if size > 1 else Alternating().swapped()
    for part in alternate(partition, couplings, size_a):
        (kept,), (changed,) = part.shapes((size,))
        layers.append(Coupling(part, Shift(), MLP(kept, changed, hidden, context_features)))
    layers.append(Scaling(size))
    return Flow(Composition(layers), bases[base](size), shape, context_features)
