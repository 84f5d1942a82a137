"""The flow as a training step sees it: the same weights, less kept, or networks of lower precision."""

import platform
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from rheon.bijections.base import Bijection
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.memory import Checkpointed, Rebuilt
from rheon.training.settings import Settings

_KEEPING: dict[str, Callable[[Bijection], Bijection]] = {"checkpoint": Checkpointed, "invert": Rebuilt}


class Lowered(Bijection):
    """f with its conditioners in bfloat16: z and log|det| keep the precision of x, and weights their own.

    It is f under autocast, which lowers the products of networks. A bijection that multiplies matrices keeps
    its own precision under it, as :class:`~rheon.bijections.LULinear` does.

    Args:
        bijection: f, in float32.
    """

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.bijection.forward(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(z.device.type, torch.bfloat16):
            return self.bijection.inverse(z, context)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        return self.bijection.latent_shapes(event_shape)


@runtime_checkable
class Around(Protocol):
    """A module whose objective is that of a flow and more, such as a bound of which log p is a part."""

    flow: nn.Module

    def around(self, flow: nn.Module) -> nn.Module:
        """The same of another flow, with the same weights beside it."""


def as_trained(flow: nn.Module, settings: Settings, device: torch.device | None = None) -> nn.Module:
    """The flow by ``settings.memory`` and ``settings.precision``: another module of the same weights.

    Only its gradients are to be taken by it, on ``device`` (unless told, where it is). The flow itself is
    what is validated and kept, in its own precision, so that the density that comes out of training is exact
    whatever it was trained with.

    Raises:
        RheonError: memory or precision are not the usual ones, and there is no :class:`~rheon.Flow`; or
            precision is bfloat16, and the flow is not in float32.
    """
    if (settings.memory, settings.precision) == ("store", "float32"):
        return flow
    if isinstance(flow, Around):
        return flow.around(as_trained(flow.flow, settings, device))
    if not isinstance(flow, Flow):
        raise RheonError(
            f"memory={settings.memory!r} and precision={settings.precision!r} need a rheon.Flow to train, "
            f"got a {type(flow).__name__}."
        )
    bijection = flow.bijection
    if settings.memory != "store":
        bijection = _KEEPING[settings.memory](bijection)
    if settings.precision == "bfloat16":
        _check_bfloat16(flow, device)
        bijection = Lowered(bijection)
    return Flow(bijection, flow.base, flow.event_shape, flow.context_features)


def _check_bfloat16(flow: Flow, device: torch.device | None) -> None:
    weight = next(flow.parameters())
    if flow.base.dtype != torch.float32 or weight.dtype != torch.float32:
        raise RheonError(
            f"precision='bfloat16' is for flows in float32, this one is {flow.base.dtype}: leave precision "
            "as it is, or convert the flow with .float()."
        )
    on_x86 = (device or weight.device).type == "cpu" and platform.machine() in ("x86_64", "AMD64")
    if on_x86 and not torch.cpu._is_avx512_bf16_supported():
        warnings.warn(
            "this processor has no bfloat16 arithmetic: precision='bfloat16' is slower here than float32.",
            RuntimeWarning,
            stacklevel=2,
        )
