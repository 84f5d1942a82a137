"""Signals while training: the first asks for an end after the step at hand, a second Ctrl-C ends at once."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

from rheon.training import Alone

_ANSWER = b"\nending after this step, saved; Ctrl-C again ends now\n"
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


class EndOnSignal:
    """Inside the block SIGINT, SIGTERM and SIGUSR1 only set ``asked``; a second SIGINT raises.

    Args:
        ranks: the processes that train together.

    Attributes:
        asked: the signal that came first, or None.
    """

    asked: signal.Signals | None = None

    def __init__(self, ranks: Alone) -> None:
        self._ranks = ranks

    def agreed(self) -> bool:
        """Whether a signal came to any of the processes, which then all have it in ``asked``."""
        number = self._ranks.largest(self.asked or 0)
        if number:  # else one may have come meanwhile, and is seen next time
            self.asked = signal.Signals(number)
        return bool(number)

    def __enter__(self) -> Self:
        self._before: dict[signal.Signals, Any] = {}
        # Only the main thread may say what a signal does.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        # Where there are several processes, torchrun sends them what the terminal has sent them already.
        if number == signal.SIGINT and self._ranks.count == 1:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.asked is None:
            self.asked = signal.Signals(number)
            if self._ranks.rank == 0:
                os.write(2, _ANSWER)  # not print: the signal may come while print holds its lock
