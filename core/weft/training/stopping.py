"""Signals while a model is trained: the first asks for an end after the step, the second ends the process at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

ASK: Final = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal has asked for an end.

    Attributes:
        signal: Its number; ``None`` before there was one.
    """

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def stop_requests(tell: Callable[[str], None]) -> Iterator[StopRequest]:
    """Take SIGINT and SIGTERM as requests while the block lasts.

    The second one has the system's own effect, which no long computation can delay. A signal that the process was
    started to ignore stays ignored; outside the main thread, where Python can handle none, nothing changes.

    Args:
        tell: Told of the first one.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: handler for number in ASK if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def ask(number: int, frame: FrameType | None) -> None:
        request.signal = number
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        with suppress(Exception):  # it may have come while something else was being written
            tell("stopping after this step, which is saved; once more quits at once, without saving")

    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
