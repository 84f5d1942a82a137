"""The flow of tables in whose rows some numbers are absent."""

from rheon.architectures.recipe import recorded
from rheon.architectures.stack import alternate, check_context_features, positive
from rheon.bijections import Bijection, Composition, MaskedCoupling
from rheon.conditioners import ResidualMLP
from rheon.distributions import StandardNormal
from rheon.elementwise import RationalQuadraticSpline
from rheon.flow import Flow
from rheon.partitions import Halves, Partition, Random


@recorded
def masked(
    features: int,
    couplings: int = 6,
    width: int = 64,
    blocks: int = 1,
    bins: int = 8,
    bound: float = 4.0,
    dropout: float = 0.0,
    context_features: int = 0,
    seed: int = 0,
) -> Flow:
    """``couplings`` masked rational-quadratic couplings, of random halves and their complements in turn.

    The first D features of the context say which of the D features are there, 1 or 0; an absent one stays
    as it is, unseen, so p of what is there is exact for every pattern. Nothing else mixes features. It is
    not in ``ARCHITECTURES``, since it cannot do without a context.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        features: D.
        couplings: number of couplings.
        width: of the residual networks.
        blocks: of each network.
        bins: K, bins of each spline.
        bound: the splines act on [-bound, bound]; beyond it they are the identity.
        dropout: share of a block's inner features that is left out in training.
        context_features: M, at least D: the mask, then what else is given.
        seed: decides the initial weights; the halves are the same for all seeds.

    >>> import torch
    >>> from rheon.architectures.masked import masked
    >>> flow = masked(3, couplings=2, width=8, context_features=3)
    >>> flow.log_prob(torch.zeros(4, 3), torch.ones(4, 3)).shape
    torch.Size([4])
    """
    positive(features=features, couplings=couplings, width=width, blocks=blocks)
    check_context_features(context_features)
    context_features = max(context_features, features)
    layers: list[Bijection] = []
    for pair in range(-(-couplings // 2)):
        part: Partition = Random(features, pair) if features > 1 else Halves()
        for side in alternate(part, min(2, couplings - 2 * pair), features // 2):
            (kept,), (changed,) = side.shapes((features,))
            map_ = RationalQuadraticSpline(bins, bound)
            net = ResidualMLP(kept, map_.num_params * changed, width, blocks, context_features, dropout)
            layers.append(MaskedCoupling(side, map_, net))
    return Flow(Composition(layers), StandardNormal(features), context_features=context_features)
