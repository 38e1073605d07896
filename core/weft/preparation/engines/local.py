"""Blocks examined by processes of this machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import Any

from pebble import ProcessExpired, ProcessPool

from weft.preparation.engines.work import Engine, Outcome, Work, crashed, timed_out

PR_SET_PDEATHSIG = 1
"""Of Linux's ``prctl``."""

AHEAD = 2
"""Tasks a process that are handed out at once: enough that none waits, and few results wait in memory."""

_work: Work | None = None
"""What the present process works at; set once in each."""


class LocalEngine(Engine):
    """Processes of this machine.

    Args:
        processes: How many.
        seconds: What a task may take.
    """

    def __init__(self, processes: int, seconds: float) -> None:
        self._processes = processes
        self._seconds = seconds

    def run(self, work: Work, tasks: Sequence[tuple[int, int | None]]) -> Iterator[tuple[int, Outcome]]:
        if not tasks:
            return
        workers = min(self._processes, len(tasks))
        pool = ProcessPool(workers, initializer=_begin, initargs=(work, os.getpid()), context=_context())
        try:
            waiting: dict[Future[Any], int] = {}
            left = iter(enumerate(tasks))
            while True:
                while len(waiting) < workers * AHEAD and (task := next(left, None)) is not None:
                    waiting[pool.schedule(_carry_out, args=task[1], timeout=self._seconds)] = task[0]
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), self._outcome(future)
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()

    def _outcome(self, future: Future[Any]) -> Outcome:
        try:
            outcome: Outcome = future.result()
        except ProcessExpired as error:
            return crashed(f"exit code {error.exitcode}")
        except TimeoutError:
            return timed_out(self._seconds)
        return outcome


def _context() -> Any:
    """Processes are forked where that is sound: it costs next to nothing, and does not run the user's script anew."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _begin(work: Work, parent: int) -> None:
    global _work  # noqa: PLW0603
    _work = work
    # An interrupt reaches the whole group; what is to be done about it is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if "torch" in sys.modules:
        import torch

        # Several threads in several processes are slower than one in each, and hang in a forked process.
        torch.set_num_threads(1)


def _die_with_parent() -> None:
    """At once, where the system can: what would write on after its parent would be in the way of the next."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def _carry_out(number: int, place: int | None) -> Outcome:
    assert _work is not None
    try:
        return _work.carry_out(number, place)
    except Exception:
        raise
    # What decoders raise to end a process (sys.exit, a panic of a library) would be raised again in the parent.
    except BaseException as error:
        return crashed(type(error).__name__)
