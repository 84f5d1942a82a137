"""Arrays from other libraries and from .npy and .npz files, with every size checked before it is believed.

A header is a claim: what it says of type and length is compared with the bytes that are there, and with the
memory of this machine, before an array is made. Pickled objects are never read.
"""

import lzma
import os
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rheon.errors import DataError

MAX_BYTES = 1 << 34
"""No single array or file of data larger than this is read: 16 GiB."""

_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

_DAMAGED = (
    *(ValueError, SyntaxError, RecursionError, MemoryError, EOFError, OSError, RuntimeError),
    tokenize.TokenError,  # from NumPy's second try at a header
)
_DAMAGED_ZIP = (*_DAMAGED, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def as_numpy(data: Any) -> NDArray[Any]:
    """``data`` as an array of numbers: NumPy arrays (not copied), torch tensors of any device, nested lists.

    Raises:
        DataError: values that are not numbers, ragged lists, masked values.
    """
    torch = sys.modules.get("torch")  # whoever holds a tensor has imported it
    if torch is not None and isinstance(data, torch.Tensor):
        data = data.detach().cpu()
        return as_numpy((data.float() if data.dtype == torch.bfloat16 else data).numpy())
    if np.ma.isMaskedArray(data) and np.ma.is_masked(data):
        raise DataError("the array has masked values; fill them or leave their rows out")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise DataError(
            f"expected an array of numbers; got a {type(data).__name__} that is not one"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"expected an array of numbers; got a {type(data).__name__} of type {array.dtype}")
    return array


def memory_limit() -> int:
    """Bytes that this process may have: this machine's memory, or what it is limited to where that is less.

    Limits are those of the process (``ulimit -v``) and of its control group (a container). What others use
    at the moment does not count, so that the same job is done in the same way each time.
    """
    limits = [1 << 62]
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for place in _GROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max" where there is none
            limits.append(int(Path(place).read_text()))
    with suppress(ImportError):
        import resource  # not everywhere

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [soft] if soft != resource.RLIM_INFINITY else []
    return min(limits)


def memory_allowed() -> int:
    """Bytes that an array or a file may take: 16 GiB, or half of :func:`memory_limit` if that is less."""
    return min(MAX_BYTES, memory_limit() // 2)


def check_room(size: int, where: Path | str) -> None:
    """Refuses ``size`` bytes that are more than :func:`memory_allowed`."""
    if size > memory_allowed():
        raise DataError(
            f"{where} needs {size / 2**30:,.1f} GiB of memory; {memory_allowed() / 2**30:,.1f} GiB are "
            "allowed: use a part of it, or, of a table, write it as Parquet, which is read in parts"
        )


def read_npy(path: Path) -> NDArray[Any]:
    """The array of numbers in a .npy file."""
    try:
        with path.open("rb") as stream:
            return _read_array(stream, os.fstat(stream.fileno()).st_size, str(path))
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{path} is not a readable .npy file: {error}") from error


Header = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


def npy_header(path: Path) -> Header:
    """What a .npy file says it holds; the values are not read."""
    try:
        with path.open("rb") as stream:
            shape, _, dtype = _read_header(stream, str(path))
            return shape, dtype
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{path} is not a readable .npy file: {error}") from error


def npz_headers(path: Path) -> dict[str, Header]:
    """What the arrays of numbers in a .npz archive say they are, by name; the values are not read."""
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as stream:
                    if not name.endswith(".npy"):
                        continue
                    shape, _, dtype = _read_header(stream, f"{path} (array {name.removesuffix('.npy')!r})")
                if dtype.kind in "biuf":
                    headers[name.removesuffix(".npy")] = shape, dtype
    except DataError:
        raise
    except _DAMAGED_ZIP as error:
        raise DataError(f"{path} is not a readable .npz file: {error}") from error
    return headers


def read_npz(path: Path, wanted: Sequence[str]) -> NDArray[Any]:
    """One array of a .npz archive: the first of the names ``wanted`` that is there, or the only one."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            names = [name for name in wanted if name in members] or list(members)
            if names[1:] and names[0] not in wanted:
                raise DataError(
                    f"{path} holds the arrays {', '.join(map(repr, names[:8]))}; expected one, "
                    f"or one that is named {' or '.join(map(repr, wanted))}"
                )
            if not names:
                raise DataError(f"{path} holds no array")
            member = archive.getinfo(members[names[0]])
            with archive.open(member) as stream:
                return _read_array(stream, member.file_size, f"{path} (array {names[0]!r})")
    except DataError:
        raise
    except _DAMAGED_ZIP as error:
        raise DataError(f"{path} is not a readable .npz file: {error}") from error


def _read_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{where} holds something other than numbers (.npy version {version})")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(stream, max_header_size=10_000)


def _read_array(stream: IO[bytes], size: int, where: str) -> NDArray[Any]:
    shape, fortran_order, dtype = _read_header(stream, where)
    if dtype.kind not in "biuf":
        raise DataError(f"{where} holds values of type {dtype}; expected numbers")
    expected, found = prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or expected != found:
        raise DataError(
            f"{where} is damaged: shape {shape} of {dtype} is {expected:,} bytes, and it has {found:,}"
        )
    check_room(expected, where)
    data = bytearray(expected)
    view = memoryview(data)
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise DataError(f"{where} is damaged: it ends {len(view):,} bytes early")
        view = view[count:]
    stream.read(1)  # the archive compares its checksum at the end
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")
