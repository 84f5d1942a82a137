"""z = W x + b with W = P L U: learned mixing of features, or of the channels of every pixel."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rheon.bijections.base import Bijection, check_channels, check_event
from rheon.errors import RheonError
from rheon.partitions import fixed_permutation


class LULinear(Bijection):
    """z = W x + b, W = P L U: log|det| = Σ log U_ii. Event (D,).

    P is a fixed permutation, L unit lower triangular, U upper triangular with a positive diagonal exp(d).
    L and U start as the identity: W starts as P. The inverse is two triangular solves.

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039, section 3.2; Oliva et al., *Transformation Autoregressive Networks*, 2018,
    arXiv:1801.09819.

    Args:
        features: D.
        seed: names the permutation P; None for none.

    Raises:
        RheonError: ``seed`` is out of range; from ``latent_shapes``, an event that is not (D,).

    With L = [[1, 0], [3, 1]] and U = diag(2, 1): W = [[2, 0], [6, 1]] and log|det| = log 2.

    >>> import torch
    >>> from rheon.bijections import LULinear
    >>> f = LULinear(2).requires_grad_(False)
    >>> f.lower[1, 0], f.log_diagonal[0] = 3.0, torch.tensor(2.0).log()
    >>> f(torch.tensor([[1.0, 1.0]]))
    (tensor([[2., 7.]]), tensor([0.6931]))
    """

    order: Tensor
    lower_mask: Tensor

    def __init__(self, features: int, seed: int | None = None) -> None:
        super().__init__()
        self.features, self.seed = features, seed
        self.lower = nn.Parameter(torch.zeros(features, features))
        self.upper = nn.Parameter(torch.zeros(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))
        self.bias = nn.Parameter(torch.zeros(features))
        order = (
            torch.arange(features) if seed is None else torch.from_numpy(fixed_permutation(features, seed))
        )
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("lower_mask", torch.ones(features, features).tril(-1), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with _own_precision(x):
            lower, upper = self.factors()
            weight = (lower @ upper).index_select(0, self.order)
            z = functional.linear(features_first(x), weight, self.bias)
            return z, self.log_diagonal.sum().expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with _own_precision(z):
            lower, upper = self.factors()
            x = _solved(lower, upper, (z - self.bias).index_select(1, self.order.argsort()))
            return x, -self.log_diagonal.sum().expand(len(z))

    @torch.no_grad()
    def back(
        self, z: Tensor, by_z: Tensor, by_log_det: Tensor
    ) -> tuple[Tensor, Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """z and a loss's derivatives by z and log|det| → x, and those by x and by each weight, beside it.

        As inverse and derivative, with W computed once: x̄ = Wᵀ z̄ and, with M̄ = Pᵀ Σ z̄ xᵀ for M = L U,
        L̄ = M̄ Uᵀ and Ū = Lᵀ M̄ in their triangles.
        """
        with _own_precision(z):
            lower, upper = self.factors()
            back = self.order.argsort()
            x = _solved(lower, upper, (z - self.bias).index_select(1, back))
            by_x = by_z @ (lower @ upper).index_select(0, self.order)
            by_product = (by_z.T @ x).index_select(0, back)
            by_upper = lower.T @ by_product
            by_log_diagonal = by_upper.diagonal() * self.log_diagonal.exp() + by_log_det.sum()
            by_weights = (
                (self.lower, (by_product @ upper.T).mul_(self.lower_mask)),
                (self.upper, by_upper * self.lower_mask.T),
                (self.log_diagonal, by_log_diagonal),
                (self.bias, by_z.sum(0)),
            )
        return x, by_x, by_weights

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_channels(self, event_shape, self.features, 1)
        return super().latent_shapes(event_shape)

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U."""
        mask = self.lower_mask
        lower = self.lower * mask + torch.eye(self.features, dtype=mask.dtype, device=mask.device)
        return lower, self.upper * mask.T + self.log_diagonal.exp().diag()

    def extra_repr(self) -> str:
        return f"{self.features}, seed={self.seed}"


def _solved(lower: Tensor, upper: Tensor, y: Tensor) -> Tensor:
    """The rows x of which L U x are the rows of y."""
    half = torch.linalg.solve_triangular(lower, y.T, upper=False, unitriangular=True)
    return torch.linalg.solve_triangular(upper, half, upper=True).T


class InvertibleConv1x1(Bijection):
    """z_ij = W x_ij + b at every pixel (i, j), W = P L U: log|det| = H W Σ log U_ii. Event (C, H, W).

    Reference: Kingma, Dhariwal, *Glow: Generative Flow with Invertible 1×1 Convolutions*, 2018,
    arXiv:1807.03039, section 3.2.

    Args:
        channels: C.
        seed: names the permutation P; None for none.

    Raises:
        RheonError: ``seed`` is out of range; from ``latent_shapes``, an event that is not (C, H, W).

    >>> import torch
    >>> from rheon.bijections import InvertibleConv1x1
    >>> f = InvertibleConv1x1(3).requires_grad_(False)
    >>> f.linear.log_diagonal[0] = 0.5
    >>> f(torch.zeros(1, 3, 4, 4))[1]  # 4 · 4 · ½
    tensor([8.])
    """

    def __init__(self, channels: int, seed: int | None = None) -> None:
        super().__init__()
        self.linear = LULinear(channels, seed)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._per_pixel(self.linear.forward, x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._per_pixel(self.linear.inverse, z)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_channels(self, event_shape, self.linear.features, 3)
        return super().latent_shapes(event_shape)

    @staticmethod
    def _per_pixel(map_: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = x.movedim(1, 3)  # a view where memory is channels-last
        y, log_det = map_(pixels.flatten(0, 2))
        return y.view(pixels.shape).movedim(3, 1), log_det[: len(x)] * (x.shape[2] * x.shape[3])


class Whitening(Bijection):
    """z = W (x - mean), W fixed: log|det| = log|det W|. Event (D,).

    With W W^T the inverse of a covariance, z has unit variances and no correlations.

    Reference: Kessy, Lewin, Strimmer, *Optimal whitening and decorrelation*, 2018, arXiv:1512.00809.

    Args:
        mean: (D,).
        matrix: W, (D, D), invertible.

    Raises:
        RheonError: shapes differ, a value is not finite, or W is singular; from ``latent_shapes``, an event
            of another shape.

    >>> import torch
    >>> f = Whitening(mean=torch.tensor([1.0, 0.0]), matrix=torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    >>> f(torch.tensor([[2.0, 5.0]]))
    (tensor([[2., 6.]]), tensor([0.6931]))
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, mean: Tensor, matrix: Tensor) -> None:
        super().__init__()
        if mean.dim() != 1 or matrix.shape != (len(mean), len(mean)):
            raise RheonError(
                f"Whitening: mean must be (D,) and matrix (D, D), got {tuple(mean.shape)} and "
                f"{tuple(matrix.shape)}."
            )
        log_det = torch.linalg.slogdet(matrix)[1]
        if not bool(torch.isfinite(mean).all() & torch.isfinite(matrix).all() & torch.isfinite(log_det)):
            raise RheonError("Whitening: mean and matrix must be finite, and the matrix invertible.")
        self.register_buffer("mean", mean)
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with _own_precision(x):
            return features_first(x - self.mean) @ self.matrix.T, self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with _own_precision(z):
            return torch.linalg.solve(self.matrix, z.T).T + self.mean, -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        return torch.linalg.slogdet(self.matrix)[1].expand(len(x))

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        check_event(self, event_shape, self.mean.shape)
        return super().latent_shapes(event_shape)

    def extra_repr(self) -> str:
        return str(len(self.mean))


def features_first(x: Tensor) -> Tensor:
    """x (B, D), as it lies in memory when each feature is one block.

    The product with a small matrix then has the same bits for a row wherever in the batch it stands: from
    rows of 5, 7, 9, … numbers, BLAS computes those at the edges of its blocks in another order.
    """
    return x.t().contiguous().t()


def _own_precision(x: Tensor) -> torch.autocast:
    """Autocast lowers the precision of networks; what flows through a bijection keeps its own."""
    return torch.autocast(x.device.type, enabled=False)
