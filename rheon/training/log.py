"""The records of a run in a file, one JSON object a line; a checkpoint notes how far it was flushed."""

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from rheon.errors import ModelError
from rheon.training.record import Record
from rheon.training.unit import NATS, Unit


class Log:
    """A file that grows by whole lines, and remembers how many bytes of it are flushed.

    What a killed process wrote behind the last position that was noted is cut off by the next append, so
    every step stands there once.

    Attributes:
        unit: what likelihoods are told in beside the raw ones.
    """

    def __init__(self, path: Path) -> None:
        self.records: list[Record] = []
        self.unit: Unit = NATS
        self._path = path
        self._written = 0
        self._bytes = 0
        self._hash = sha256()

    @property
    def position(self) -> dict[str, Any]:
        """How far it is flushed: bytes, their SHA-256, and the number of records."""
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest(), "records": self._written}

    def flush(self) -> None:
        """Appends the records that are new, and waits until the disk has them; an ``OSError`` loses none."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if os.fstat(descriptor).st_size < self._bytes:  # it vanished, and is written anew
                self._written, self._bytes, self._hash = 0, 0, sha256()
            new = self.records[self._written :]
            told = (replace(record, unit=self.unit).as_dict() for record in new)
            data = "".join(f"{json.dumps(line)}\n" for line in told).encode()
            os.ftruncate(descriptor, self._bytes)
            view, place = memoryview(data), self._bytes
            while view:
                count = os.pwrite(descriptor, view, place)
                view, place = view[count:], place + count
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._written += len(new)
        self._bytes = place
        self._hash.update(data)

    def restore(self, position: dict[str, Any]) -> None:
        """Reads the records up to a position.

        Raises:
            ModelError: they are not there, or not as they were written.
        """
        try:
            with self._path.open("rb") as stream:
                data = stream.read(position["bytes"])
        except OSError as error:
            raise ModelError(f"{self._path} cannot be read: {error.strerror}") from error
        if sha256(data).hexdigest() != position["sha256"]:
            raise ModelError(f"{self._path} is not what was written")
        self.records = [Record.from_dict(json.loads(line)) for line in data.splitlines()]
        self._written, self._bytes, self._hash = len(self.records), len(data), sha256(data)
