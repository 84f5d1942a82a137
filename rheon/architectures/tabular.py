"""The flow that tables are fitted with: spline couplings of residual networks, mixed by LU layers."""

from rheon.architectures.recipe import architecture
from rheon.architectures.stack import alternate, check_context_features, positive
from rheon.bijections import Bijection, Composition, Coupling, LULinear
from rheon.conditioners import ResidualMLP
from rheon.distributions import StandardNormal
from rheon.elementwise import RationalQuadraticSpline
from rheon.flow import Flow
from rheon.partitions import Halves


@architecture
def tabular(
    features: int,
    couplings: int = 4,
    width: int = 64,
    blocks: int = 1,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """``couplings`` times: LU linear mixing, rational-quadratic coupling of alternating halves; then LU.

    For columns that are nearly normal and uncorrelated, as :class:`~rheon.TableDensity` makes them: there
    is no other normalisation.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        features: D.
        couplings: number of couplings.
        width: of the residual networks.
        blocks: of each network.
        bins: K, bins of each spline.
        bound: the splines act on [-bound, bound]; beyond it they are the identity.
        dropout: share of a block's inner features that is left out in training.
        context_features: M, for a conditional density.
        seed: decides the initial weights.

    >>> import torch
    >>> tabular(3, couplings=2, width=8).log_prob(torch.zeros(4, 3)).shape
    torch.Size([4])
    """
    positive(features=features, couplings=couplings, width=width, blocks=blocks)
    check_context_features(context_features)
    (size_a,), _ = Halves().shapes((features,))
    layers: list[Bijection] = []
    for part in alternate(Halves(), couplings, size_a):
        (kept,), (changed,) = part.shapes((features,))
        map_ = RationalQuadraticSpline(bins, bound)
        net = ResidualMLP(kept, map_.num_params * changed, width, blocks, context_features, dropout)
        layers += [LULinear(features), Coupling(part, map_, net)]
    layers.append(LULinear(features))
    return Flow(Composition(layers), StandardNormal(features), context_features=context_features)
