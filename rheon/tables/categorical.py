"""log p(c | g) = Σ_j log p(c_j | c_1, …, c_j-1, g): the probability of codes, one softmax after the other."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rheon.errors import RheonError

_NONE_ONCE = 0.05
"""Rows that are added to those whose level came once: so no value is impossible."""


class CategoricalHeads(nn.Module):
    """The joint probability of C codes, c_j one of L_j, as a product of masked autoregressive heads.

    Code j has a network of its own, which sees the codes before it, one-hot, and a context g:

        h_j = relu(W_j [c_<j, g] + b_j),    h_j ← h_j + V_j relu(U_j h_j),
        p(c_j | c_<j, g) = (1 - ε_j) softmax(O_j h_j + log p̂_j),

    with p̂_j the smoothed shares of the levels in training and O_j = 0 at first, so that training starts from
    independent columns. ε_j is the probability that a value was never seen (code L_j): by Good and Turing,
    the share of rows whose level came once, and a little where none did. All conditionals sum to one, and so
    does the product. Codes are taken in the order of their numbers of levels.

    Reference: Germain, Gregor, Murray, Larochelle, *MADE: Masked Autoencoder for Distribution Estimation*,
    2015, arXiv:1502.03509; Good, *The population frequencies of species and the estimation of population
    parameters*, 1953, doi:10.1093/biomet/40.3-4.237.

    Args:
        levels: L_j, C numbers of at least 1.
        context_features: M, of g.
        width: of h_j.
        dropout: share of h_j that is left out in training.
        seed: decides the initial weights.

    >>> heads = CategoricalHeads((2, 3))
    >>> heads.prime(torch.tensor([[0, 0], [1, 2], [1, 1]]))
    >>> every = torch.cartesian_prod(torch.arange(3), torch.arange(4))
    >>> round(heads(every).exp().sum().item(), 6)
    1.0
    """

    shares: Tensor
    unseen: Tensor
    before: Tensor
    starts: Tensor
    ends: Tensor
    places: Tensor
    no_level: Tensor

    def __init__(
        self,
        levels: Sequence[int],
        context_features: int = 0,
        width: int = 64,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not levels or any(level < 1 for level in levels):
            raise RheonError(f"levels must be numbers of at least 1, got {tuple(levels)!r:.80}.")
        self.levels, self.context_features, self.width = tuple(levels), context_features, width
        self.dropout = dropout
        self.order = sorted(range(len(levels)), key=lambda j: levels[j])
        ordered = [self.levels[j] for j in self.order]
        count, most, total = len(levels), max(levels), sum(levels)
        self.offsets = [sum(ordered[:k]) for k in range(count)]
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int, fan: int) -> nn.Parameter:
            bound = max(fan, 1) ** -0.5
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.enter = draw(count, width, total + context_features, fan=count + context_features)
        self.enter_bias = nn.Parameter(torch.zeros(count, 1, width))
        self.inner = draw(count, width, width, fan=width)
        self.inner_bias = nn.Parameter(torch.zeros(count, 1, width))
        self.outer = nn.Parameter(torch.zeros(count, width, width))
        self.head = nn.Parameter(torch.zeros(count, width, most))
        self.bias = nn.Parameter(torch.zeros(count, 1, most))
        self.register_buffer("shares", torch.zeros(count, 1, most))  # log p̂
        self.register_buffer("unseen", torch.full((count,), 1e-3))  # ε
        beyond = torch.arange(most) >= torch.tensor(ordered)[:, None]
        no_level = torch.zeros(count, most).masked_fill(beyond, -math.inf)
        self.register_buffer("no_level", no_level.unsqueeze(1), persistent=False)
        starts = torch.tensor(self.offsets)
        before = torch.arange(total + context_features) < starts[:, None]
        before[:, total:] = True
        self.register_buffer("before", before.float().unsqueeze(1), persistent=False)
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("ends", torch.tensor(ordered), persistent=False)
        self.register_buffer("places", torch.tensor(self.order), persistent=False)

    @torch.no_grad()
    def prime(self, codes: Tensor, closed: Sequence[int] = ()) -> None:
        """Takes the shares of levels, and of values never seen, from training rows (N, C).

        The codes at the places ``closed`` can have no other values than their levels.
        """
        n = len(codes)
        for k, j in enumerate(self.order):
            level = self.levels[j]
            counts = torch.bincount(codes[:, j], minlength=level).double()
            self.shares[k, 0, :level] = ((counts + 0.5) / (n + 0.5 * level)).log().float()
            once = float((counts == 1).sum())
            self.unseen[k] = 0.0 if j in closed else (min(once, n / 2) + _NONE_ONCE) / (n + 1)

    def forward(self, codes: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(c | g), (B,), in nats, of codes (B, C) and context (B, M)."""
        return self.log_probs(codes, context).sum(1)

    def log_probs(self, codes: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(c_j | c_<j, g), (B, C), in the order in which codes are taken (``order``)."""
        codes = codes.long()[:, self.places]
        known = codes < self.ends
        inputs = self._inputs(codes, known, context)
        entered = torch.matmul(inputs, (self.enter * self.before).transpose(1, 2)) + self.enter_bias
        log_p = self._log_softmax(entered)  # (C, B, L)
        chosen = log_p.gather(2, torch.where(known, codes, 0).t().unsqueeze(2)).squeeze(2).t()
        return torch.where(known, chosen + torch.log1p(-self.unseen), self.unseen.log())

    @torch.no_grad()
    def independent(self, codes: Tensor) -> Tensor:
        """log p(c), (B,), by the shares of levels in training alone."""
        codes = codes.long()[:, self.places]
        known = codes < self.ends
        chosen = self.shares[:, 0].t().gather(0, torch.where(known, codes, 0))
        return torch.where(known, chosen + torch.log1p(-self.unseen), self.unseen.log()).sum(1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """n draws of c, (n, C) int64, of values that were seen; ``context`` (n, M)."""
        codes = torch.full((n, len(self.levels)), -1)
        return self._drawn(codes, self.levels, context, generator, temperature)[0]

    @torch.no_grad()
    def complete(
        self,
        codes: Tensor,
        levels: Sequence[int],
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Codes (n, C) with those that are -1 drawn, and log q of what was drawn, (n,).

        Each is drawn given the codes before it, q = Π p(c_j | c_<j, g), and not given those after it: its
        weight is p(c | g) / q. Of code j only the first ``levels[j]`` values are drawn.
        """
        return self._drawn(codes, levels, context, generator, 1.0)

    def _drawn(
        self,
        codes: Tensor,
        levels: Sequence[int],
        context: Tensor | None,
        generator: torch.Generator | None,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        n, total = len(codes), sum(self.levels)
        codes, log_q = codes.clone(), torch.zeros(n)
        enter = (self.enter * self.before).transpose(1, 2)  # (C, L + M, H)
        entered = self.enter_bias.expand(-1, n, -1).clone()
        if self.context_features:
            entered += torch.matmul(self._checked(context, n), enter[:, total:])
        for k, j in enumerate(self.order):
            own = codes[:, j]
            unknown = own < 0
            if bool(unknown.any()):
                log_p = self._log_softmax(entered[k : k + 1], k)[0] / max(temperature, 1e-6)
                log_p = log_p if levels[j] == self.levels[j] else log_p[:, : levels[j]]
                u = torch.rand(n, 1, generator=generator).clamp_(1e-7, 1 - 1e-7)
                shares = log_p.softmax(1).cumsum(1)
                drawn = (shares < u * shares[:, -1:]).sum(1).clamp_(max=levels[j] - 1)
                codes[:, j] = own = torch.where(unknown, drawn, own)
                log_q += torch.where(
                    unknown, log_p.log_softmax(1).gather(1, drawn[:, None])[:, 0], log_q.new_zeros(())
                )
            if k + 1 < len(self.order):
                seen = own < self.levels[j]
                step = enter[k + 1 :, self.offsets[k] + torch.where(seen, own, 0)]
                entered[k + 1 :] += step if bool(seen.all()) else step * seen[:, None]
        return codes, log_q

    def _log_softmax(self, entered: Tensor, first: int = 0) -> Tensor:
        heads = slice(first, first + len(entered))
        h = entered.relu()
        if self.dropout:
            h = functional.dropout(h, self.dropout, self.training)
        h = h + torch.bmm(
            (torch.bmm(h, self.inner[heads]) + self.inner_bias[heads]).relu(), self.outer[heads]
        )
        logits = _product(h, self.head[heads]) + self.bias[heads] + self.shares[heads]
        return (logits + self.no_level[heads]).log_softmax(2)

    def _inputs(self, codes: Tensor, known: Tensor, context: Tensor | None) -> Tensor:
        inputs = self.enter.new_zeros(len(codes), self.enter.shape[2])
        # A value never seen looks like none.
        inputs.scatter_(1, torch.where(known, codes, 0) + self.starts, known.to(inputs.dtype))
        if self.context_features:
            inputs[:, sum(self.levels) :] = self._checked(context, len(codes))
        return inputs

    def _checked(self, context: Tensor | None, n: int) -> Tensor:
        if context is None or tuple(context.shape) != (n, self.context_features):
            came = "none" if context is None else f"shape {tuple(context.shape)}"
            raise RheonError(f"context must have shape ({n}, {self.context_features}), got {came}.")
        return context

    def extra_repr(self) -> str:
        return f"{self.levels}, context_features={self.context_features}, width={self.width}"


def _product(h: Tensor, head: Tensor) -> Tensor:
    """(C, B, H) · (C, H, L), with the same bits for a row wherever it stands among the B.

    MKL's products of 5, 7 or 10 columns, say, are not like that; those of a multiple of 8 are.
    """
    return torch.bmm(h, functional.pad(head, (0, -head.shape[2] % 8)))[..., : head.shape[2]]
