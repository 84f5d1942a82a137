"""RealNVP on vectors: affine couplings of alternating halves."""

from collections.abc import Sequence

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import alternate, check_conditioners, positive
from rheon.bijections import ActNorm, Bijection, Composition, Coupling
from rheon.conditioners import MLP
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.flow import Flow
from rheon.fused import Fused
from rheon.partitions import Halves


@architecture
def realnvp(
    features: int,
    couplings: int = 8,
    hidden: Sequence[int] = (64, 64),
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """RealNVP: exp(s(x_A)) ⊙ x_B + t(x_A), ``couplings`` times, the halves changing places each time.

    An ActNorm before the first coupling gives every feature a scale without a bound, outside the bounded
    log-scales of the couplings.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803.

    Args:
        features: D.
        couplings: number of couplings.
        hidden: width of each hidden layer of each conditioner.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> realnvp(2, couplings=4).sample(5).shape
    torch.Size([5, 2])
    """
    positive(features=features, couplings=couplings)
    check_conditioners(hidden, context_features)
    (size_a,), _ = Halves().shapes((features,))
    layers: list[Bijection] = [ActNorm(features)]
    for part in alternate(Halves(), couplings, size_a):
        (kept,), (changed,) = part.shapes((features,))
        map_ = Affine()
        layers.append(Coupling(part, map_, MLP(kept, map_.num_params * changed, hidden, context_features)))
    return Flow(Fused(Composition(layers)), StandardNormal(features), context_features=context_features)
