"""What a model directory may hold: the rules that its writer and its reader share.

torch is loaded only where there are tensors, so that a config can be read without it.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheon.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
KINDS = ("image", "table")
CONFIG, WEIGHTS = "config.json", "model.safetensors"

CHECKPOINT = "checkpoint"
"""The folder in a model directory from which an unfinished training goes on; a finished one has none."""

MAX_JSON = 1 << 20
"""config.json, and the header of the weights, hold at most 1 MiB."""

MAX_DEPTH = 32

MAX_SIZE = 1 << 20
"""Whole numbers among an architecture's arguments are sizes, up to this; only a seed may be larger."""

_ITEM_BYTES = {
    **dict.fromkeys(["F64", "I64"], 8),
    **dict.fromkeys(["F32", "I32"], 4),
    **dict.fromkeys(["F16", "BF16", "I16"], 2),
    **dict.fromkeys(["I8", "U8", "BOOL"], 1),
}
_TENSOR_NAME = re.compile(r"\w[\w.\-]{0,255}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")


def parse_json(data: bytes, where: Path) -> Any:
    """Strict JSON: UTF-8, no name twice, no NaN, no number out of range, at most ``MAX_DEPTH`` levels."""

    def fail(reason: str) -> ModelError:
        return ModelError(f"{where} is not JSON that rheon would write: {reason}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(pairs)
        if len(names) < len(pairs):
            raise fail("a name occurs twice")
        return names

    def whole(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
            raise fail("a whole number is out of range")
        return int(digits)

    def real(digits: str) -> float:
        if not math.isfinite(float(digits)):
            raise fail("a number is out of range")
        return float(digits)

    def constant(name: str) -> float:
        raise fail(f"it holds {name}")

    if len(data) > MAX_JSON:
        raise fail(f"it has {len(data):,} bytes; at most {MAX_JSON:,} are allowed")
    try:
        text = data.decode()
        depth = deepest = 0
        for bracket in re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
            depth += 1 if bracket in "[{" else -1
            deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:  # before the parser recurses
            raise fail(f"it is nested more than {MAX_DEPTH} deep")
        return json.loads(
            text, object_pairs_hook=unique, parse_int=whole, parse_float=real, parse_constant=constant
        )
    except ModelError:
        raise
    except (ValueError, RecursionError) as error:
        raise fail(str(error)) from error


def check_config(config: Any, where: Path) -> None:
    """Refuses a config that is not of this format; sections beside the known ones may hold anything."""
    if not isinstance(config, dict) or type(config.get("format_version")) is not int:
        raise ModelError(f"{where} is not the config of a rheon model: it has no format_version")
    version = config["format_version"]
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{where} was made by a later rheon (format {version}; this one reads up to {FORMAT_VERSION}); "
            "upgrade rheon"
        )
    if version < 1:
        raise ModelError(f"{where} has format version {version}, which never was")
    if config.get("kind") not in KINDS:
        raise ModelError(f"{where} has kind {config.get('kind')!r}; expected {' or '.join(map(repr, KINDS))}")
    if not isinstance(config.get("rheon_version"), str):
        raise ModelError(f"{where} must say its rheon_version, as text")
    architecture = config.get("architecture")
    if (
        not isinstance(architecture, dict)
        or set(architecture) != {"name", "arguments"}
        or not isinstance(architecture["name"], str)
        or not isinstance(architecture["arguments"], dict)
    ):
        raise ModelError(f"{where} must give the architecture as a name and arguments, and nothing else")
    for word in (*config, architecture["name"], *architecture["arguments"]):
        if not _WORD.fullmatch(word):
            raise ModelError(f"{where} has the name {word[:80]!r}; expected small letters, digits and _")
    sizes = [value for name, value in architecture["arguments"].items() if name != "seed"]
    while sizes:
        size = sizes.pop()
        if isinstance(size, dict | list):
            sizes += size.values() if isinstance(size, dict) else size
        elif isinstance(size, int) and abs(size) > MAX_SIZE:
            raise ModelError(
                f"{where} has the size {size} among the arguments; at most {MAX_SIZE:,} are allowed"
            )


def check_header(header: bytes, body: int, where: Path) -> None:
    """The safetensors header: known dtypes, and tensors that fill the ``body`` bytes after it, no gaps."""
    entries = parse_json(header, where)
    if not isinstance(entries, dict):
        raise ModelError(f"{where} is damaged: its header is not a table of tensors")
    spans = []
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        try:
            item, shape, (start, end) = _ITEM_BYTES[entry["dtype"]], entry["shape"], entry["data_offsets"]
            sound = (
                _TENSOR_NAME.fullmatch(name) is not None
                and len(shape) <= 8
                and all(type(number) is int and number >= 0 for number in (start, end, *shape))
                and end - start == math.prod(shape) * item
            )
        except (KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise ModelError(f"{where} is damaged or foreign: tensor {name[:80]!r} is {str(entry)[:120]}")
        spans.append((start, end))
    place = 0
    for start, end in sorted(spans):
        if start != place:
            raise ModelError(f"{where} is damaged: its tensors overlap or leave gaps")
        place = end
    if place != body:
        raise ModelError(f"{where} is damaged: its tensors take {place:,} bytes and {body:,} are there")


def check_values(tensors: "Mapping[str, Tensor]", where: Path) -> None:
    """Refuses NaN, infinities, and truth values that are neither 0 nor 1."""
    import torch

    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{where}: the tensor {name!r} holds NaN or infinite values")
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise ModelError(f"{where}: the tensor {name!r} holds values other than true and false")
