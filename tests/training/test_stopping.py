"""Signals while a model is trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from weft.training.stopping import ASK, stop_requests

TWICE = """
import os, signal, sys, time
from weft.training.stopping import stop_requests
first, second, pause = *(signal.Signals[name] for name in sys.argv[1:3]), float(sys.argv[3])
with stop_requests(lambda number: print("asked by", number)):
    os.kill(os.getpid(), first)
    print("went on", flush=True)
    time.sleep(pause)
    os.kill(os.getpid(), second)
    print("went on after the second", flush=True)
"""


@pytest.mark.parametrize("number", ASK)
def test_the_first_is_a_request(number: int) -> None:
    asked: list[int] = []
    before = [signal.getsignal(each) for each in ASK]
    with stop_requests(asked.append):
        assert asked == []
        os.kill(os.getpid(), number)
        assert asked == [number]
    assert [signal.getsignal(each) for each in ASK] == before


def twice(first: str, second: str, pause: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TWICE, first, second, str(pause)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("first", "second", "pause"),
    [("SIGINT", "SIGTERM", 0), ("SIGTERM", "SIGINT", 0), ("SIGINT", "SIGINT", 2.1), ("SIGTERM", "SIGTERM", 2.1)],
)
def test_the_second_has_its_own_effect(first: str, second: str, pause: float) -> None:
    done = twice(first, second, pause)
    assert done.returncode == -signal.Signals[second]
    assert done.stdout == f"asked by {signal.Signals[first].value}\nwent on\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_the_same_soon_after_is_the_same_request(number: str) -> None:
    """A group is signalled, and a launcher in it hands the signal on."""
    done = twice(number, number, 0.01)
    assert done.returncode == 0
    assert done.stdout == f"asked by {signal.Signals[number].value}\nwent on\nwent on after the second\n"


def test_what_was_ignored_stays_ignored() -> None:
    """As of a job in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests(pytest.fail):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_can_train() -> None:
    """Python handles signals in the main thread alone."""
    entered: list[bool] = []

    def work() -> None:
        with stop_requests(pytest.fail):
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
