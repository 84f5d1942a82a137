"""The closed list of architectures, and how a flow remembers which of them built it."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np
import torch

from rheon.errors import RheonError, hint
from rheon.flow import Flow, Recipe

P = ParamSpec("P")

ARCHITECTURES: dict[str, Callable[..., Flow]] = {}
"""Name → function. A model directory names an entry of this list and nothing else."""


def architecture(build: Callable[P, Flow]) -> Callable[P, Flow]:
    """Lists ``build`` by its name, and does to it what :func:`recorded` does."""
    ARCHITECTURES[build.__name__] = built = recorded(build)
    return built


def recorded(build: Callable[P, Flow]) -> Callable[P, Flow]:
    """Seeds the initial weights of ``build``, and writes its recipe on the flow that it returns.

    The function's ``seed`` argument alone decides the weights; the caller's random state stays as it was.
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> Flow:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            bound.arguments[name] = _plain(value)
        seed = bound.arguments["seed"]
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise RheonError(f"seed must be a whole number from 0 to 2⁶³ - 1, got {seed!r}.")
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators too
            flow = build(*bound.args, **bound.kwargs)
        flow.recipe = Recipe(build.__name__, dict(bound.arguments))
        return flow

    return built


def build(name: str, arguments: Mapping[str, Any]) -> Flow:
    """The flow that the architecture ``name`` builds from ``arguments``; anything unknown is refused."""
    function = ARCHITECTURES.get(name)
    if function is None:
        raise RheonError(f"architecture {name!r} is not known; {hint(name, sorted(ARCHITECTURES))}")
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise RheonError(f"architecture {name}: {error}.") from None
    return function(**arguments)


def _plain(value: Any) -> Any:
    """As JSON gives it back: lists, and Python's own numbers."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
