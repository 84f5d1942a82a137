"""Files appear whole or not at all: written beside their place, flushed to the disk, then renamed into it.

A rename within one folder is atomic on every file system that matters; ``fsync`` on the file before it and on
the folder after it make it last through a power cut.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rheon.errors import RheonError


def write_flushed(path: Path, data: bytes) -> None:
    """Writes a new file (an existing one is an error) and waits until the disk has it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Waits until the disk has a file's content, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sibling(path: Path, suffix: str) -> Path:
    """A name for something temporary beside ``path``: hidden, new, and telling whose it is."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{suffix}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path to write to, which takes the place of ``path`` when the block ends well.

    When it ends badly ``path`` is as it was and nothing is left beside it; an ``OSError`` (a full disk, a
    folder that is not there) becomes a :class:`RheonError` that names ``path``.
    """
    temporary = sibling(path, "part")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RheonError(f"could not write {path}: {reason}; what stood there before is unchanged") from error
    finally:
        temporary.unlink(missing_ok=True)
