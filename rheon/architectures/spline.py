"""Neural spline flow: rational-quadratic couplings with learned linear mixing between them."""

from collections.abc import Sequence

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import alternate, check_conditioners, positive
from rheon.bijections import ActNorm, Bijection, Composition, Coupling, LULinear
from rheon.conditioners import MLP
from rheon.distributions import StandardNormal
from rheon.elementwise import RationalQuadraticSpline
from rheon.flow import Flow
from rheon.partitions import Halves


@architecture
def spline_coupling(
    features: int,
    couplings: int = 6,
    hidden: Sequence[int] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """ActNorm, then ``couplings`` times: LU linear mixing, rational-quadratic coupling of alternating halves.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        features: D.
        couplings: number of couplings.
        hidden: width of each hidden layer of each conditioner.
        bins: K, bins of each spline.
        bound: the splines act on [-bound, bound]; beyond it they are the identity.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> import torch
    >>> spline_coupling(3, couplings=2).log_prob(torch.zeros(4, 3)).shape
    torch.Size([4])
    """
    positive(features=features, couplings=couplings)
    check_conditioners(hidden, context_features)
    (size_a,), _ = Halves().shapes((features,))
    layers: list[Bijection] = [ActNorm(features)]
    for part in alternate(Halves(), couplings, size_a):
        (kept,), (changed,) = part.shapes((features,))
        map_ = RationalQuadraticSpline(bins, bound)
        layers.append(LULinear(features))
        layers.append(Coupling(part, map_, MLP(kept, map_.num_params * changed, hidden, context_features)))
    return Flow(Composition(layers), StandardNormal(features), context_features=context_features)
