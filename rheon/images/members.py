"""Many encoded pictures under names: a folder, a tar or zip archive, a Parquet column. Nothing is unpacked.

A member's name is a name and no path: whatever it says, nothing is opened or written by it. What is no
ordinary file (links, devices, encrypted members) is no member.
"""

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rheon.arrays import memory_allowed
from rheon.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MAX_ENCODED = 1 << 28
"""No single picture of more bytes is read."""

_MOST_HELD = 4 << 30
"""Bytes of a compressed tar archive, whose pictures are held as they are encoded."""

_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

_DAMAGED = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zlib.error, zipfile.BadZipFile)


class Members(ABC):
    """Pictures as bytes, by number. ``names``: one each; ``sizes``: bytes; ``labels``: if there are any."""

    def __init__(
        self, names: Sequence[str], sizes: Sequence[int], labels: NDArray[np.int64] | None = None
    ) -> None:
        self.names, self.sizes, self.labels = tuple(names), tuple(sizes), labels

    @abstractmethod
    def read(self, index: int) -> bytes | Image.Image:
        """All bytes of a member, or what was made of them; may be called from several threads."""

    def checked(self, index: int) -> bytes | Image.Image:
        """:meth:`read`, with what goes wrong as a :class:`DataError` of one short reason."""
        if self.sizes[index] > MAX_ENCODED:
            raise DataError(f"{self.sizes[index]:,} bytes, more than {MAX_ENCODED:,}")
        try:
            data = self.read(index)
        except _DAMAGED as error:
            raise DataError(f"cannot be read: {error}") from error
        if isinstance(data, bytes) and len(data) != self.sizes[index]:
            raise DataError(f"ends after {len(data):,} of {self.sizes[index]:,} bytes")
        return data


class Held(Members):
    """Members that are in memory."""

    def __init__(
        self, names: Sequence[str], data: Sequence[bytes], labels: NDArray[np.int64] | None = None
    ) -> None:
        super().__init__(names, [len(part) for part in data], labels)
        self._data = data

    def read(self, index: int) -> bytes:
        """The bytes."""
        return self._data[index]


class Part(Members):
    """Some of other members."""

    def __init__(self, members: Members, rows: Sequence[int], labels: NDArray[np.int64] | None) -> None:
        super().__init__([members.names[row] for row in rows], [members.sizes[row] for row in rows], labels)
        self._members, self._rows = members, rows

    def read(self, index: int) -> bytes | Image.Image:
        """As the whole reads it."""
        return self._members.read(self._rows[index])


class Pillow(Members):
    """Pillow images that are in memory already."""

    def __init__(self, images: Sequence[Image.Image]) -> None:
        super().__init__([f"picture {i}" for i in range(len(images))], [0] * len(images))
        self._images = images

    def read(self, index: int) -> Image.Image:
        """The image itself."""
        return self._images[index]


class Folder(Members):
    """The pictures in a folder and in those below it, in the order of their names."""

    def __init__(self, root: Path) -> None:
        found = [Path(top) / name for top, _, names in os.walk(root) for name in names]
        files = sorted(file for file in found if is_picture(file.name) and file.is_file())
        super().__init__(
            [file.relative_to(root).as_posix() for file in files], [file.stat().st_size for file in files]
        )
        self._files = files

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        return self._files[index].read_bytes()


class Tar(Members):
    """A tar archive that is not compressed: members are read where they stand in it."""

    def __init__(self, path: Path) -> None:
        with _opened_tar(path, "r:") as archive:
            try:
                # A sparse member's bytes do not stand together.
                files = [f for f in archive if f.isreg() and not f.issparse() and is_picture(f.name)]
            except (tarfile.TarError, *_DAMAGED) as error:
                raise DataError(f"{path} is a damaged archive: {error}") from error
        # tarfile takes a damaged header for the end.
        if any(_part_of(path, archive.offset, 512)):
            raise DataError(f"{path} is a damaged archive: there is no header at byte {archive.offset:,}")
        super().__init__([file.name for file in files], [file.size for file in files])
        self._path, self._offsets = path, [file.offset_data for file in files]

    def read(self, index: int) -> bytes:
        """The bytes at the member's offset."""
        return _part_of(self._path, self._offsets[index], self.sizes[index])


class Zip(Members):
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGED as error:
            raise DataError(f"{path} is not a readable zip archive: {error}") from error
        self._files = [
            file
            for file in self._archive.infolist()
            if not file.is_dir() and not file.flag_bits & 1 and is_picture(file.filename)
        ]
        super().__init__([file.filename for file in self._files], [file.file_size for file in self._files])

    def read(self, index: int) -> bytes:
        """The unpacked bytes, of which no more than were announced."""
        with self._archive.open(self._files[index]) as stream:
            return stream.read(self.sizes[index] + 1)


def tar_members(path: Path) -> Members:
    """A tar archive; a compressed one is read once, and its pictures held as they are encoded."""
    with path.open("rb") as stream:
        plain = stream.read(262)[257:] == b"ustar"
    if plain:
        return Tar(path)
    kept = [(name, data) for name, data in compressed_tar(path) if is_picture(name)]
    return Held([name for name, _ in kept], [data for _, data in kept])


def compressed_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each ordinary file in a tar archive of any compression, in one pass."""
    with path.open("rb") as file:
        head = file.read(6)
    unpack = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), open)
    try:
        with unpack(path, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[operator]
            yield from _one_by_one(archive, path)
            for _ in range(64):  # to the end, where the checksum stands
                stream.read(1 << 20)
    except DataError:
        raise
    except (tarfile.TarError, lzma.LZMAError, *_DAMAGED) as error:
        raise DataError(f"{path} is not a readable tar archive: {error}") from error


def _one_by_one(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for file in archive:
        if not file.isreg() or file.issparse():
            continue
        total += file.size
        if total > min(_MOST_HELD, memory_allowed()):
            raise DataError(
                f"{path} holds more than {total >> 20:,} MiB and is compressed as a whole, so that no part "
                "of it can be read alone; unpack it to .tar"
            )
        stream = archive.extractfile(file)
        yield file.name, stream.read() if stream and file.size <= MAX_ENCODED else b""


def is_picture(name: str) -> bool:
    """Whether a file of this name should be a picture: not so the hidden ones that desktops leave."""
    last = name.rsplit("/", 1)[-1]
    return last.lower().endswith(SUFFIXES) and not last.startswith(".") and "__MACOSX/" not in name


def _part_of(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)


def _opened_tar(path: Path, mode: str) -> tarfile.TarFile:
    try:
        return tarfile.open(path, mode)  # type: ignore[call-overload]
    except (tarfile.TarError, *_DAMAGED) as error:
        raise DataError(f"{path} is not a readable tar archive: {error}") from error
