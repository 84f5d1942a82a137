"""The flow as one graph of machine code, where this machine can make it."""

import warnings

import torch
from torch import Tensor, nn


class Compiled(nn.Module):
    """log p of a flow by ``torch.compile``, full graph; by the flow itself where the compiler fails.

    The values are the flow's to rounding. The first call takes a minute or so.

    Args:
        flow: flow(x, context) = log p(x), (B,).
    """

    def __init__(self, flow: nn.Module) -> None:
        super().__init__()
        self.flow = flow
        self._run = torch.compile(flow.forward, fullgraph=True)
        self._tried = False

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self._tried:
            return self._run(x, context)
        self._tried = True
        try:
            with warnings.catch_warnings():  # of what the compiler itself takes from torch
                warnings.simplefilter("ignore")
                return self._run(x, context)
        except Exception as error:  # noqa: BLE001 - whatever ails the compiler, training can go on
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            warnings.warn(
                f"the flow could not be compiled, and is trained as it is: {reason}",
                RuntimeWarning,
                stacklevel=2,
            )
            self._run = self.flow.forward
            return self._run(x, context)
