"""Averaged weights: an exponential moving average whose decay warms up.

    θ̄ ← d_t θ̄ + (1 - d_t) θ,    d_t = min(decay, (1 + t) / (10 + t)),    t = 0, 1, … updates before this one

so that early on the average covers about the last tenth of the run, and the first weights are soon forgotten.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class Average:
    """The running average of tensors that change in place: ``values``, beginning with what they are now.

    >>> theta = torch.tensor([1.0])
    >>> average = Average([theta], decay=0.999)
    >>> average.update()  # d_0 = 1/10, of equal values
    >>> _ = theta.fill_(3.0)
    >>> average.update()  # d_1 = 2/11
    >>> average.values  # 1 * 2/11 + 3 * 9/11
    [tensor([2.6364])]
    """

    def __init__(self, tensors: Sequence[Tensor], decay: float) -> None:
        self.values = [tensor.detach().clone() for tensor in tensors]
        self.updates = 0
        self._tensors = [tensor.detach() for tensor in tensors]
        self._decay = decay

    def update(self) -> None:
        """Takes in the tensors as they are now."""
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.values, self._tensors, 1 - decay)
        self.updates += 1
