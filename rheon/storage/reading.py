"""Reading a model directory: each file by its fixed name in one open folder, never through a link."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rheon.arrays import memory_allowed
from rheon.errors import ModelError
from rheon.storage.format import (
    CHECKPOINT,
    CONFIG,
    MAX_JSON,
    WEIGHTS,
    check_config,
    check_header,
    check_values,
    parse_json,
)

LOG = "training.jsonl"
MAX_LOG = 1 << 28
"""256 MiB, a million steps."""

if TYPE_CHECKING:
    from torch import Tensor

_CHECKPOINT_FILE = re.compile(r"step-\d+(\.part)?$|training\.jsonl$", re.ASCII)


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """config.json of a model directory, checked; torch is not loaded for it."""
    path = _standing(path)
    with open_folder(path) as folder:
        return _read_config(folder, path)


def read_model(path: str | os.PathLike[str]) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    """The config and the tensors of a model directory.

    Raises:
        ModelError: there is no model, or it is damaged, foreign, hostile or from a later version.
    """
    import safetensors
    import safetensors.torch

    path = _standing(path)
    where = path / WEIGHTS
    with open_folder(path) as folder:
        config = _read_config(folder, path)
        with open_file(folder, path, WEIGHTS, memory_allowed()) as (stream, size):
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(MAX_JSON, size - 8):
                raise ModelError(
                    f"{where} is damaged: it has {size:,} bytes, and its header would have {length:,}"
                )
            check_header(stream.read(length), size - 8 - length, where)
            stream.seek(0)
            data = stream.read(size)
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError(f"{where} is damaged: {error}") from error
    check_values(tensors, where)
    return config, tensors


def is_unfinished(path: Path) -> bool:
    """Whether a training that has not ended has its place here: a checkpoint folder, and nothing else."""
    try:
        inside = os.listdir(path / CHECKPOINT)
        # Strictly, since the whole directory goes when the model is written: others have such folders too.
        return os.listdir(path) == [CHECKPOINT] and all(_CHECKPOINT_FILE.match(name) for name in inside)
    except OSError:
        return False


def read_log(path: str | os.PathLike[str]) -> str:
    """The lines of training.jsonl as they are; none where there is no such file, or it is no text."""
    path = _standing(path)
    try:
        with open_folder(path) as folder, open_file(folder, path, LOG, MAX_LOG) as (stream, size):
            return stream.read(size).decode()
    except (ModelError, UnicodeDecodeError):
        return ""


def old_place(path: Path) -> Path:
    """Where a model stands while another takes its place."""
    return path.with_name(f".{path.name}.rheon-old")


def _standing(path: str | os.PathLike[str]) -> Path:
    """The model at ``path``, or the one that stood there if a swap was cut off between its two renames."""
    path = Path(path)
    old = old_place(path.resolve())
    return old if old.exists() and not path.exists() else path


def _read_config(folder: int, path: Path) -> dict[str, Any]:
    if is_unfinished(path):
        raise ModelError(
            f"{path} is unfinished: its training was interrupted; the same rheon fit goes on from there"
        )
    with open_file(folder, path, CONFIG, MAX_JSON) as (stream, size):
        config = parse_json(stream.read(size), path / CONFIG)
    check_config(config, path / CONFIG)
    return config


@contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder, by which its files are opened, whatever ``path`` becomes meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        reason = "is a file" if error.errno == errno.ENOTDIR else f"cannot be opened: {error.strerror}"
        raise ModelError(f"{path} {reason}; give the path of a directory that rheon wrote") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def open_file(folder: int, path: Path, name: str, limit: int) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file of at most ``limit`` bytes in the folder, and its size."""
    try:
        # NONBLOCK: opening a pipe would wait for whoever writes to it
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else f"cannot be opened: {error.strerror}"
        raise ModelError(f"{path / name} {reason}; this is not a whole model directory") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path / name} is not a regular file")
        if status.st_size > limit:
            raise ModelError(
                f"{path / name} has {status.st_size:,} bytes; at most {limit:,} are allowed here"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream, status.st_size
    finally:
        os.close(descriptor)
