"""Signals while a model is trained: the first asks for an end after the step, a second one ends the process at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ASK: Final = (signal.SIGINT, signal.SIGTERM)

ONE_REQUEST: Final = 2.0
"""Seconds in which the same signal again is the same request: a scheduler that signals a whole group reaches a process
twice, by itself and by the launcher (torchrun, say) that hands on what it gets."""


@contextmanager
def stop_requests(stop: Callable[[int], None], within: float = ONE_REQUEST) -> Iterator[None]:
    """Take SIGINT and SIGTERM as requests to stop while the block lasts.

    The other signal, and the same one later, has the system's own effect. A signal that the process was started to
    ignore stays ignored; outside the main thread, where Python can handle none, nothing changes.

    Args:
        stop: Called with the number of the first one, between two instructions of the main thread, which may be in the
            middle of writing something: it may neither write nor wait for a lock.
        within: Seconds in which the same signal is the same request.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number in ASK if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    until: float | None = None

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal until
        if until is None:
            until = time.monotonic() + within
            for other in before.keys() - {number}:
                signal.signal(other, signal.SIG_DFL)
            stop(number)
        elif time.monotonic() >= until:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
