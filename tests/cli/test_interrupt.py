import os
import signal
import threading

import pytest

from rheon.cli.interrupt import EndOnSignal
from rheon.training import Alone


def test_the_first_signal_is_kept_and_handlers_come_back(capfd):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with EndOnSignal(Alone()) as end:
        assert end.asked is None
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert end.asked is signal.SIGUSR1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    assert capfd.readouterr().err.count("ending after this step") == 1


def test_in_another_thread_signals_are_left_as_they_are():
    seen = []

    def inside():
        with EndOnSignal(Alone()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
