"""Signals while a model is trained: the first asks for an end after the step, the second ends the process at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ASK: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests(stop: Callable[[int], None]) -> Iterator[None]:
    """Take SIGINT and SIGTERM as requests to stop while the block lasts.

    The second one has the system's own effect, which no long computation can delay. A signal that the process was
    started to ignore stays ignored; outside the main thread, where Python can handle none, nothing changes.

    Args:
        stop: Called with the number of the first one, between two instructions of the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number in ASK if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def ask(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        stop(number)

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
