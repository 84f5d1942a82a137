"""Writing a model directory: whole, flushed to the disk, and only then under its name.

The files are made in a hidden folder beside the place, ``.NAME.xxxxxxxx.part``, which is renamed into it.
Where a model is replaced, the old one steps aside to ``.NAME.rheon-old`` first and is removed last; whoever
reads between the two renames is given that one. A process that is killed may leave a ``.part`` folder,
which can be deleted.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheon.errors import ModelError
from rheon.files import flush, sibling, write_flushed
from rheon.storage.format import (
    CONFIG,
    FORMAT_VERSION,
    MAX_JSON,
    WEIGHTS,
    check_config,
    check_header,
    check_values,
    parse_json,
)
from rheon.storage.reading import is_unfinished, old_place, open_file, open_folder

if TYPE_CHECKING:
    from torch import Tensor

_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.\-]{0,99}", re.ASCII)


def write_model(
    path: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: "Mapping[str, Tensor]",
    files: Mapping[str, str | bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a model directory. When it fails, what stood at ``path`` still does, and nothing lies beside it.

    Args:
        path: the directory to make, in a folder that exists.
        config: ``kind`` ("image" or "table"), ``architecture`` {"name", "arguments"} and any further
            sections, all of plain JSON values. ``format_version`` and ``rheon_version`` are added.
        tensors: finite tensors by name; they are copied to the CPU.
        files: further files by plain name, text or bytes: the model card, the log, pictures.
        overwrite: lets it take the place of another model, or of what an unfinished training left, but never
            of something else. The old model is the last thing to go: a process that is killed leaves the old
            one or the new one to load.

    Raises:
        ModelError: something stands there, the disk is full, a value that could not be read back.
    """
    path = Path(path).resolve()  # a link to a model is followed here, so that the link itself stays
    content = {CONFIG: _config_bytes(config, path / CONFIG), WEIGHTS: _tensor_bytes(tensors, path / WEIGHTS)}
    for name, data in (files or {}).items():
        if name in content or not _FILE_NAME.fullmatch(name):
            raise ModelError(f"{path}: {name!r} cannot be the name of a further file in a model directory")
        content[name] = data.encode() if isinstance(data, str) else data
    staging = sibling(path, "part")
    try:
        settle(path)
        if path.exists():
            _check_may_replace(path, overwrite)
        staging.mkdir()
        for name, data in content.items():
            write_flushed(staging / name, data)
        flush(staging)
        _put_in_place(staging, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"could not write {path}: {reason}; what stood there before is unchanged") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _config_bytes(config: Mapping[str, Any], where: Path) -> bytes:
    try:
        version = metadata.version("rheon")
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        version = "0"
    whole = {"format_version": FORMAT_VERSION, "rheon_version": version, **config}
    try:
        data = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{where}: the config cannot be written as JSON: {error}") from error
    check_config(parse_json(data, where), where)  # what could not be read back is not written
    return data


def _tensor_bytes(tensors: "Mapping[str, Tensor]", where: Path) -> bytes:
    import safetensors.torch
    import torch

    # copies, because safetensors refuses tensors that share memory
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    check_values(copies, where)
    data = safetensors.torch.save(copies)
    length = int.from_bytes(data[:8], "little")
    check_header(data[8 : 8 + length], len(data) - 8 - length, where)
    return data


def _check_may_replace(path: Path, overwrite: bool) -> None:
    if not overwrite:
        raise ModelError(f"{path} exists already; choose another name, or pass overwrite=True")
    if is_unfinished(path):
        return
    try:
        with open_folder(path) as folder, open_file(folder, path, CONFIG, MAX_JSON) as (stream, size):
            config = parse_json(stream.read(size), path / CONFIG)
    except ModelError:
        config = None
    # any version will do, a later one too: what matters is that it is not somebody's folder of something else
    if not isinstance(config, dict) or "format_version" not in config:
        raise ModelError(f"{path} exists and is not a model of rheon; it is left alone: choose another name")


def _put_in_place(staging: Path, path: Path) -> None:
    old = old_place(path)
    try:
        if path.exists():
            path.rename(old)
        staging.rename(path)
        flush(path.parent)
    except BaseException:
        if not staging.exists() and path.exists():
            path.rename(staging)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def settle(path: Path) -> None:
    """Tidies up after a :func:`write_model` that was killed between its two renames, or after them."""
    path = path.resolve()
    old = old_place(path)
    if old.exists() and path.exists():
        shutil.rmtree(old)
    elif old.exists():
        old.rename(path)
