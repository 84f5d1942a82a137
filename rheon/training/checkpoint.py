"""One checkpoint on the disk: a folder that is there whole or not at all.

    step-120/  state.json         plain numbers
               state.safetensors  tensors
               MANIFEST.json      size and SHA-256 of the two

It is made as ``step-120.part``: each file is written and flushed, then the folder, which is renamed, then its
parent. Whoever reads compares the manifest, so a file that a disk lost or changed is seen. No pickle.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from rheon.errors import ModelError
from rheon.files import flush, write_flushed

NUMBERS, TENSORS, MANIFEST = "state.json", "state.safetensors", "MANIFEST.json"

_PART = ".part"


def write_checkpoint(folder: Path, step: int, numbers: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Makes ``step-N`` in the folder; when it fails (``OSError``) nothing there has changed."""
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    files = {NUMBERS: json.dumps(numbers, indent=1).encode(), TENSORS: safetensors.torch.save(copies)}
    manifest = {name: {"bytes": len(data), "sha256": _sha(data)} for name, data in files.items()}
    files[MANIFEST] = json.dumps(manifest, indent=1).encode()
    place = folder / f"step-{step}"
    part = place.with_name(place.name + _PART)
    for remains in (part, place):  # of an attempt at this step that failed: no reader has been told of them
        shutil.rmtree(remains, ignore_errors=True)
    try:
        part.mkdir()
        for name, data in files.items():
            write_flushed(part / name, data)
        flush(part)
        part.rename(place)
        flush(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_checkpoint(place: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The numbers and tensors of a checkpoint.

    Raises:
        ModelError: it is not whole.
    """
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
        files = {name: (place / name).read_bytes() for name in (NUMBERS, TENSORS)}
        for name, data in files.items():
            if manifest[name] != {"bytes": len(data), "sha256": _sha(data)}:
                raise ModelError(f"{place / name} is not what was written")
        return json.loads(files[NUMBERS]), safetensors.torch.load(files[TENSORS])
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{place} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise ModelError(f"{place} is damaged: {error}") from error


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints that were put in place, the newest first."""
    steps = (path.name.removeprefix("step-") for path in folder.glob("step-*"))
    return [folder / f"step-{n}" for n in sorted((int(s) for s in steps if s.isdecimal()), reverse=True)]


def remove_parts(folder: Path) -> None:
    """Removes what a process left that was killed while it wrote a checkpoint."""
    for path in folder.glob(f"step-*{_PART}"):
        shutil.rmtree(path)


def _sha(data: bytes) -> str:
    return sha256(data).hexdigest()
