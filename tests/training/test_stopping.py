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
with stop_requests(lambda number: print("asked by", number)):
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    print("went on", flush=True)
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])
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


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_the_second_has_its_own_effect(first: str, second: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE, first, second], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.Signals[second]
    assert done.stdout == f"asked by {signal.Signals[first].value}\nwent on\n"


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
