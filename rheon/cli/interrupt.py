"""Ctrl-C while training: the first asks for an end that keeps what was learned, the second ends at once."""

import os
import signal
import threading
from types import FrameType
from typing import Self

_ANSWER = b"\nending after this step, to save the best weights so far; Ctrl-C again ends now, unsaved\n"


class EndOnInterrupt:
    """Inside the block the first SIGINT only sets ``asked``; the second raises ``KeyboardInterrupt``."""

    asked = False

    def __enter__(self) -> Self:
        # Only the main thread may say what a signal does.
        self._here = threading.current_thread() is threading.main_thread()
        if self._here:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        if self._here:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(2, _ANSWER)  # not print: the signal may come while print holds its lock
