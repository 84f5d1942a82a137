"""Raw bytes of images of one size: IDX (MNIST and its kin) and the binary CIFAR files.

    IDX       00 00 type axes, the length of each axis as big-endian uint32, then the values
    CIFAR-10  records of 1 + 3072 bytes: label, then red, green and blue planes of 32×32
    CIFAR-100 records of 2 + 3072 bytes: coarse and fine label, then the planes

Reference: LeCun, Cortes, Burges, *The MNIST database of handwritten digits*, 1998; Krizhevsky, *Learning
multiple layers of features from tiny images*, 2009.
"""

import gzip
import re
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rheon.arrays import check_room, memory_allowed
from rheon.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PLANES = (3, 32, 32)
_PIXELS = prod(_PLANES)


def is_idx(head: bytes) -> bool:
    """Whether a file that begins so is IDX, of one to four axes."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= 4


def read_idx(path: Path) -> NDArray[np.generic]:
    """The array in an IDX file, packed by gzip or not."""
    data = unpacked(path)
    if not is_idx(data):
        raise DataError(f"{path} is no IDX file: it begins with {data[:4].hex(' ') or 'nothing'}")
    dtype, start = np.dtype(_TYPES[data[2]]), 4 + 4 * data[3]
    shape = tuple(np.frombuffer(data[4:start].ljust(4 * data[3], b"\0"), ">u4").tolist())
    expected = prod(shape) * dtype.itemsize
    if len(data) - start != expected:
        raise DataError(
            f"{path} is damaged: its header says {'×'.join(map(str, shape))}, {expected:,} bytes, and "
            f"{max(len(data) - start, 0):,} follow"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def companion(path: Path, part: str) -> Path | None:
    """The ``"labels"`` or the ``"test"`` images that lie beside an IDX file of images, by MNIST's names."""
    if part == "labels":
        candidates = [re.sub(r"images([-.])idx\d", r"labels\1idx1", path.name)]
    else:
        candidates = [path.name.replace("train", other) for other in ("t10k", "test")]
    beside = (path.with_name(name) for name in candidates if name != path.name)
    return next((file for file in beside if file.is_file()), None)


def cifar_labels(size: int, data: bytes) -> int | None:
    """Label bytes in a record (1 or 2) of binary CIFAR data of so many bytes that begin so, None if none."""
    if size and size % (1 + _PIXELS) == 0 and data[:1] < b"\x0a":
        return 1
    if size and size % (2 + _PIXELS) == 0 and data[:1] < b"\x14" and data[1:2] < b"\x64":
        return 2
    return None


def cifar(data: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 3, 32, 32) and labels (N,) (the fine ones of CIFAR-100) of binary CIFAR data."""
    labels = cifar_labels(len(data), data)
    if labels is None:
        raise DataError(
            f"{where} is not binary CIFAR data: {len(data):,} bytes are no whole number of records of "
            f"{1 + _PIXELS} (CIFAR-10) or {2 + _PIXELS} bytes (CIFAR-100)"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, labels + _PIXELS)
    found = records[:, labels - 1].astype(np.int64)
    most = 10 if labels == 1 else 100
    if found.max() >= most:
        row = int((found >= most).argmax())
        raise DataError(f"{where} is damaged: record {row} has the label {found[row]}, of {most} classes")
    return records[:, labels:].reshape(-1, *_PLANES), found


def unpacked(path: Path) -> bytes:
    """All bytes of a file, unpacked where gzip packed it, within the memory that is allowed."""
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if packed:
                with gzip.open(stream) as inner:
                    return _bounded(inner, path)
            return _bounded(stream, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _bounded(stream: BinaryIO | gzip.GzipFile, path: Path) -> bytes:
    parts, size = [], 0
    while part := stream.read(1 << 22):
        size += len(part)
        if size > memory_allowed():
            check_room(size, path)
        parts.append(part)
    return b"".join(parts)
