"""Gaussian mixtures from smooth to sharp: EM whose covariances are shrunk less and less.

    Σ_k = (Σ_i r_ik (z_i - μ_k)(z_i - μ_k)ᵀ + ν W) / (Σ_i r_ik + ν) + ε 1

r_ik are the responsibilities and W is the pooled covariance of all components: with much ν they have one
form, without it each has its own. Each stage of (ν, ε) starts from the last one's end, and its end is a
mixture.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from rheon.tables.mixture import Form, Mixture, products

STAGES = ((8.0, 1e-3, 20), (0.5, 1e-2, 20), (0.0, 1e-3, 12))
"""ν / D and ε, in variances of the whole, and how many rounds of EM, of each."""

_FAR = 1e3
"""Beyond it a row teaches as one that is there."""


def annealed(z: Tensor, learn: Tensor, components: int, seed: int) -> Iterator[tuple[list[Mixture], Tensor]]:
    """For each stage the mixture of each fold, and log p (F, N) of all rows under them.

    All folds go together: what a row does not teach has the responsibility 0.

    Reference: Fraley, Raftery, *Bayesian Regularization for Normal Mixture Estimation and Model-Based
    Clustering*, 2007, doi:10.1007/s00357-007-0004-5.

    Args:
        z: rows, (N, D), whitened.
        learn: which rows each fold learns from, (F, N) bool.
        components: K.
        seed: decides where the components start, at rows of the fold.
    """
    (n, d), folds = z.shape, len(learn)
    x = z.double().clamp(-_FAR, _FAR)
    i, j = torch.triu_indices(d, d)
    squares = products(x)
    taught = learn.t().double().unsqueeze(2)  # (N, F, 1)
    counts = taught.sum(0)  # (F, 1)
    shares = _hard(x, _starts(x, learn, components, seed)) * taught
    eye = torch.eye(d, dtype=torch.float64)
    for nu, ridge, rounds in STAGES:
        for _ in range(rounds):
            r = shares.view(n, folds * components)
            mass = r.sum(0) + 1e-9
            means = (r.t() @ x) / mass.unsqueeze(1)
            upper = r.t() @ squares - mass.unsqueeze(1) * means[:, i] * means[:, j]
            scatter = upper.new_empty(len(upper), d, d)
            scatter[:, i, j] = scatter[:, j, i] = upper
            pooled = scatter.view(folds, components, d, d).sum(1) / counts.unsqueeze(2)
            pooled = pooled.repeat_interleave(components, 0)
            covariances = (scatter + nu * d * pooled) / (mass + nu * d).view(-1, 1, 1) + ridge * eye
            roots = torch.linalg.cholesky(covariances)
            weights = mass.view(folds, components) / (counts + 1e-9 * components)
            half_log_dets = -roots.diagonal(dim1=1, dim2=2).log().sum(1)
            form = Form.of(weights.flatten(), means, torch.cholesky_inverse(roots), half_log_dets)
            log_p = form(x, squares).view(n, folds, components)
            shares = log_p.softmax(2).mul_(taught)
        inverse = torch.linalg.solve_triangular(roots, eye, upper=False).transpose(1, 2)
        shaped = inverse.view(folds, components, d, d), means.view(folds, components, d)
        mixtures = [Mixture(weights[f], shaped[1][f], shaped[0][f].contiguous()) for f in range(folds)]
        yield mixtures, log_p.logsumexp(2).t()


def _starts(x: Tensor, learn: Tensor, components: int, seed: int) -> Tensor:
    """Rows of each fold far from one another, (F, K, D), by k-means++."""
    from sklearn.cluster import kmeans_plusplus

    rows = x.numpy()
    found = [kmeans_plusplus(rows[mine.numpy()], components, random_state=seed % 2**32)[0] for mine in learn]
    return torch.stack([torch.from_numpy(centres) for centres in found])


def _hard(x: Tensor, centres: Tensor) -> Tensor:
    """1 for the nearest of the centres, else 0: (N, F, K)."""
    nearest = torch.stack([torch.cdist(x, own).argmin(1) for own in centres], 1)
    return torch.nn.functional.one_hot(nearest, centres.shape[1]).double()
