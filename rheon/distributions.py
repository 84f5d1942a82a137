"""p_Z: the simple densities that a flow carries data to."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rheon.errors import RheonError


class Base(nn.Module, ABC):
    """p_Z over events z of shape ``event_shape``, independent scalars.

    ``log_prob(z, context)`` gives log p_Z(z), shape (B,), in nats; ``sample(n)`` draws n events. The context
    is accepted everywhere and is of no effect here: conditional flows condition their bijection.

    Args:
        event_shape: shape of one z, or D for events (D,).

    >>> import torch
    >>> from rheon.distributions import StandardNormal
    >>> base = StandardNormal((3, 8, 8))
    >>> z = base.sample(5, generator=torch.Generator().manual_seed(0))
    >>> z.shape, base.log_prob(z).shape
    (torch.Size([5, 3, 8, 8]), torch.Size([5]))
    """

    _unit: Tensor

    def __init__(self, event_shape: torch.Size | tuple[int, ...] | int) -> None:
        super().__init__()
        self.event_shape = torch.Size((event_shape,) if isinstance(event_shape, int) else event_shape)
        self.register_buffer("_unit", torch.ones(()), persistent=False)  # knows the device and the dtype

    @property
    def dtype(self) -> torch.dtype:
        return self._unit.dtype

    @property
    def device(self) -> torch.device:
        return self._unit.device

    @abstractmethod
    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log p_Z(z), (B,), in nats."""

    @abstractmethod
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, each scaled by ``temperature``; without a generator, from fresh entropy."""

    def _draw(
        self, kind: Callable[..., Tensor], n: int, generator: torch.Generator | None, dtype: torch.dtype
    ) -> Tensor:
        if generator is None:
            generator = torch.Generator(self.device)
            generator.seed()  # the global generator is the caller's and stays as it was
        shape = (n, *self.event_shape)
        return kind(shape, dtype=dtype, device=generator.device, generator=generator).to(self.device)

    def extra_repr(self) -> str:
        return f"{tuple(self.event_shape)}"


class StandardNormal(Base):
    """log p(z) = -½ Σ z² - ½ D log 2π.

    Reference: Dinh, Sohl-Dickstein, Bengio, *Density estimation using Real NVP*, 2017, arXiv:1605.08803,
    section 3.1.

    Args:
        event_shape: shape of one z, or D for events (D,).

    Raises:
        RheonError: from ``sample``, a temperature that is negative or not finite.

    >>> import torch
    >>> from rheon.distributions import StandardNormal
    >>> StandardNormal(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        z = z.flatten(1)
        return -0.5 * (z * z).sum(1) - 0.5 * math.log(2 * math.pi) * z.shape[1]

    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return self._draw(torch.randn, n, generator, self.dtype) * _temperature(temperature)


class StandardLogistic(Base):
    """log p(z) = Σ log sigmoid(z) + log sigmoid(-z), NICE's heavier-tailed choice.

    Reference: Dinh, Krueger, Bengio, *NICE: Non-linear Independent Components Estimation*, 2015,
    arXiv:1410.8516, section 3.4.

    Args:
        event_shape: shape of one z, or D for events (D,).

    Raises:
        RheonError: from ``sample``, a temperature that is negative or not finite.

    >>> import torch
    >>> from rheon.distributions import StandardLogistic
    >>> StandardLogistic(2).log_prob(torch.zeros(1, 2))  # 2 log ¼
    tensor([-2.7726])
    """

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        z = z.flatten(1)
        return (logsigmoid(z) + logsigmoid(-z)).sum(1)

    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        # Drawn in float64 and kept off 0 and 1, where the logit is infinite.
        u = self._draw(torch.rand, n, generator, torch.float64).clamp(2**-53, 1 - 2**-53)
        return u.logit().to(self.dtype) * _temperature(temperature)


def _temperature(temperature: float) -> float:
    if not 0 <= temperature < float("inf"):
        raise RheonError(f"temperature must be zero or positive and finite, got {temperature}.")
    return float(temperature)
