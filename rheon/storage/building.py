"""From tensors to a module: what does not fit is found before memory is taken for it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rheon.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Module = TypeVar("Module", bound="nn.Module")


def check_tensors(
    expected: "Mapping[str, tuple[tuple[int, ...], torch.dtype]]", tensors: "Mapping[str, Tensor]"
) -> None:
    """Compares tensors with what a module expects, name → (shape, dtype).

    Raises:
        ModelError: lists what is missing, unknown, or of another shape or dtype.
    """
    faults = [f"{name!r} is missing" for name in expected if name not in tensors]
    faults += [f"{name!r} is unknown" for name in tensors if name not in expected]
    for name, (shape, dtype) in expected.items():
        tensor = tensors.get(name)
        if tensor is not None and (tuple(tensor.shape), tensor.dtype) != (tuple(shape), dtype):
            faults.append(f"{name!r} is {tensor.dtype} {tuple(tensor.shape)}, not {dtype} {tuple(shape)}")
    if faults:
        more = f" and {len(faults) - 4} more faults" if len(faults) > 4 else ""
        raise ModelError(f"the weights do not fit the architecture: {'; '.join(faults[:4])}{more}")


def load_module(build: Callable[[], Module], tensors: "Mapping[str, Tensor]") -> Module:
    """The module that ``build`` makes, with ``tensors`` for its parameters and buffers.

    The building is given up at the first parameter by which it asks for more than the tensors hold: then its
    memory is reserved but not yet touched. The caller's random state stays as it was.

    Raises:
        ModelError: ``build`` fails, or its module and the tensors do not fit one another.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]), _no_more_than(tensors):
            module = build()
    except ModelError:
        raise
    except Exception as error:  # what a stranger's arguments break in there is not known here
        raise ModelError(f"the architecture that the config names cannot be built: {error}") from error
    check_tensors({name: (tuple(t.shape), t.dtype) for name, t in module.state_dict().items()}, tensors)
    module.load_state_dict(dict(tensors))
    return module


@contextmanager
def _no_more_than(tensors: "Mapping[str, Tensor]") -> Iterator[None]:
    """Stops the building of a module in this thread when its parameters outnumber or outweigh the tensors."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    # twice as many, because a module may replace a parameter that it has registered
    thread, count, size = threading.get_ident(), 2 * len(tensors), 2 * sum(t.nbytes for t in tensors.values())

    def register(_module: "nn.Module", _name: str, parameter: "nn.Parameter | None") -> None:
        nonlocal count, size
        if parameter is not None and threading.get_ident() == thread:
            count, size = count - 1, size - parameter.nbytes
            if count < 0 or size < 0:
                raise ModelError(
                    "the architecture that the config names needs more weights than the file holds"
                )

    handle = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        handle.remove()
