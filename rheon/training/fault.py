"""Where a batch ceases to be numbers: the layer, and the row that leads there."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_ROWS_TOLD = 5


def find_fault(
    flow: nn.Module, x: Tensor, context: Tensor | None, pieces: int = 1, columns: Sequence[str] | None = None
) -> str | None:
    """What is not finite when the flow is trained on a batch, in words; None where everything is.

    It is the first layer whose output is not or, where all outputs are, the first to which the backward pass
    brings a gradient that is not. The batch goes through a copy of the flow, so nothing is moved.

    Args:
        flow: flow(x, context) = log p(x), (B,).
        x: the batch, (B, …).
        context: (B, M), or None.
        pieces: number of parts in which the batch goes through.
        columns: names of the D columns, where x is (B, D).

    >>> flow = nn.Sequential(nn.Linear(2, 3), nn.Flatten(0))
    >>> flow.forward = lambda x, context: -flow[0](x).exp().sum(1)
    >>> find_fault(flow, torch.tensor([[0.0, 1.0], [-1.0, torch.inf]]), None, columns=("age", "income"))
    "the batch has values that are not finite: row 1, 'income' is inf"
    """
    contexts = [None] * pieces if context is None else context.tensor_split(pieces)
    trial, start = copy.deepcopy(flow).train(), 0
    for piece, of_piece in zip(x.tensor_split(pieces), contexts, strict=True):
        if found := _fault(trial, piece, of_piece):
            what, bad = found
            return f"{what}: {_place(piece, bad, start, columns)}"
        start += len(piece)
    return None


def _fault(trial: nn.Module, x: Tensor, context: Tensor | None) -> tuple[str, Tensor] | None:
    """What is not finite, and for which rows, (B,)."""
    broken = ~x.isfinite().flatten(1).all(1)
    if bool(broken.any()):
        return "the batch has values that are not finite", broken
    with torch.no_grad(), _faulty_outputs(trial) as layers:
        bad = ~trial(x, context).isfinite()
    if layers:
        return f"the output of {layers[0]} is not finite", bad
    with torch.enable_grad():
        (-trial(x, context).sum()).backward()
    names = [name for name, p in trial.named_parameters() if p.grad is not None and not _finite(p.grad)]
    if names:  # the backward pass comes to the last first
        owner, _, parameter = names[-1].rpartition(".")
        layer = _named(owner, trial.get_submodule(owner))
        return f"the gradient of {parameter} of {layer} is not finite", torch.zeros_like(bad)
    return None


@contextmanager
def _faulty_outputs(trial: nn.Module) -> Iterator[list[str]]:
    """The modules whose output is not finite, in the order in which they gave it: a part before its whole."""
    found: list[str] = []

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def look(_module: nn.Module, _args: Any, output: Any) -> None:
            outputs = output if isinstance(output, tuple | list) else (output,)
            if not all(_finite(one) for one in outputs if isinstance(one, Tensor)):
                found.append(_named(name, module))

        return module.register_forward_hook(look)

    handles = [watch(name, module) for name, module in trial.named_modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _named(name: str, module: nn.Module) -> str:
    return f"{name or 'the flow'} ({type(module).__name__})"


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _place(x: Tensor, bad: Tensor, start: int, columns: Sequence[str] | None) -> str:
    """The rows of the batch and, of a table, the value farthest from 0; all rows where none is known."""
    rows = (bad if bool(bad.any()) else torch.ones_like(bad)).nonzero().flatten()
    if x.dim() == 2:
        far = x[rows].abs().nan_to_num_(nan=torch.inf)
        row, column = divmod(int(far.argmax()), x.shape[1])
        name = f"feature {column}" if columns is None else repr(columns[column])
        return f"row {start + int(rows[row])}, {name} is {float(x[rows[row], column]):.4g}"
    told = ", ".join(str(start + int(row)) for row in rows[:_ROWS_TOLD])
    more = len(rows) - _ROWS_TOLD
    return f"rows {told}{f' and {more} more' if more > 0 else ''} of the batch"
