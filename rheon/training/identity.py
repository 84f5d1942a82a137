"""What makes two runs the same: data, settings, flow; and with which libraries their bits are the same."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata
from typing import Any

import numpy as np
import torch

from rheon.training.settings import Settings


def fingerprint(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and values.

    >>> [fingerprint(np.full(3, value))[:8] for value in (0.0, 0.0, 1.0)]
    ['f1ff0dfd', 'f1ff0dfd', 'b5854c4c']
    """
    digest = sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def as_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as they come back from JSON: tuples as lists, say, so that both can be compared."""
    return json.loads(json.dumps(facts, default=str))


def choices(settings: Settings) -> dict[str, Any]:
    """The settings that a run must keep: all but the device, since a run may go on elsewhere.

    >>> choices(Settings(device="cpu")) == choices(Settings())
    True
    """
    return {name: value for name, value in asdict(settings).items() if name != "device"}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The facts that differ, each with both values.

    >>> differences({"steps": 100, "seed": 0, "data": "f1ff"}, {"steps": 200, "seed": 0, "data": "b585"})
    ['steps (100 then, 200 now)', 'data']
    """
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    # A fingerprint says nothing to a person, nor does the whole of a long value.
    return [
        name if name == "data" else f"{name} ({then.get(name)!s:.60} then, {now.get(name)!s:.60} now)"
        for name in names
    ]


def versions() -> dict[str, str]:
    """Of what the bits of a run depend on."""
    try:
        own = metadata.version("rheon")
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        own = "0"
    return {
        "rheon": own,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
