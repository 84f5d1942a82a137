"""Where batches come from."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from rheon.errors import RheonError

Encoded = tuple[Tensor, Tensor | None]
"""Rows as a flow wants them: x of shape (B, …), and context (B, M) or None."""


class Source(Protocol):
    """N rows that can be fetched by index, as the flow wants them.

    ``batch`` is pure: the same rows and the same generator state give the same bits. The row indices and the
    generator are on the CPU, wherever the flow is trained; x and context are moved to it. Anything
    random about a batch (dequantisation, jitter, flips) is drawn from the generator. A source that takes long
    to fetch rows may have ``expect(rows, generator)``: it is told what the next ``batch`` will be asked for,
    to begin while the step at hand is computed.

    A source whose rows cannot be had one by one (:class:`Blocks`) brings an order of its own, by
    ``order(batch_size, seed, device)``.

    One that has an attribute ``columns``, the names of a table's, lets training tell by them what goes wrong.

    A source of one's own, here of counts that each batch dequantises:

    >>> import torch
    >>> class Counts:
    ...     def __init__(self, k):
    ...         self.k = k
    ...
    ...     def __len__(self):
    ...         return len(self.k)
    ...
    ...     def batch(self, rows, generator):
    ...         k = self.k[rows]
    ...         return k + torch.rand(k.shape, generator=generator), None
    >>> x, context = Counts(torch.tensor([[3], [7]])).batch(torch.tensor([1]), torch.Generator())
    >>> bool(x.floor() == 7), context
    (True, None)
    """

    def __len__(self) -> int:
        """N."""

    def batch(self, rows: Tensor, generator: torch.Generator) -> Encoded:
        """The rows with these indices, (B,)."""


class Rows:
    """Plain tensors as a source.

    Args:
        x: N rows, shape (N, …).
        context: (N, M), where the density is conditional.
        noise: standard deviation of Gaussian noise that each batch adds to x, in units of x; 0: none.
        columns: their names, where x is a table.

    Raises:
        RheonError: x and context differ in length, x has no floating type, or ``noise`` is negative.

    >>> import torch
    >>> from rheon.training import Rows
    >>> x, context = Rows(torch.zeros(10, 3)).batch(torch.tensor([1, 4]), torch.Generator())
    >>> x.shape, context
    (torch.Size([2, 3]), None)
    """

    def __init__(
        self,
        x: Tensor,
        context: Tensor | None = None,
        noise: float = 0.0,
        columns: Sequence[str] | None = None,
    ) -> None:
        if not x.is_floating_point():
            raise RheonError(f"x must have a floating type, not {x.dtype}: a density needs real numbers")
        if context is not None and len(context) != len(x):
            raise RheonError(
                f"context must have one row for each of the {len(x)} rows of x, not {len(context)}"
            )
        if not noise >= 0:
            raise RheonError(f"noise must be a standard deviation, 0 or above, not {noise!r}")
        self.columns = columns
        self._x = x
        self._context = context
        self._noise = noise

    def __len__(self) -> int:
        return len(self._x)

    @property
    def nbytes(self) -> int:
        """Bytes of x and context."""
        return self._x.nbytes + (0 if self._context is None else self._context.nbytes)

    def to(self, device: torch.device | str) -> "Rows":
        """The same rows, kept on a device."""
        context = None if self._context is None else self._context.to(device)
        return Rows(self._x.to(device), context, self._noise, self.columns)

    def batch(self, rows: Tensor, generator: torch.Generator) -> Encoded:
        """Copies of the rows, with the noise of this draw."""
        rows = rows.to(self._x.device)
        x = self._x.index_select(0, rows)
        if self._noise:
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=generator.device)
            x.add_(noise.to(x.device), alpha=self._noise)
        return x, None if self._context is None else self._context.index_select(0, rows)
