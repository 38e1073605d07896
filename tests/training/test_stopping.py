"""Signals while a model is trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from weft.training.stopping import ASK, StopRequest, stop_requests

TWICE = """
import os, signal, sys, time
from weft.training.stopping import stop_requests
with stop_requests(print) as request:
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    print("went on after", request.signal, flush=True)
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])
    print("went on after the second", flush=True)
"""


@pytest.mark.parametrize("number", ASK)
def test_the_first_is_a_request(number: int) -> None:
    told: list[str] = []
    before = [signal.getsignal(each) for each in ASK]
    with stop_requests(told.append) as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
    assert [signal.getsignal(each) for each in ASK] == before
    (message,) = told
    assert message.startswith("stopping after this step")


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_the_second_has_its_own_effect(first: str, second: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE, first, second], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.Signals[second]
    assert f"went on after {signal.Signals[first].value}" in done.stdout
    assert "the second" not in done.stdout


def test_what_was_ignored_stays_ignored() -> None:
    """As of a job in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests(pytest.fail) as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request.signal is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_telling_may_fail() -> None:
    def broken(message: str) -> None:
        raise RuntimeError("reentrant call")

    with stop_requests(broken) as request:
        os.kill(os.getpid(), signal.SIGTERM)
    assert request.signal == signal.SIGTERM


def test_another_thread_can_train() -> None:
    found: list[StopRequest] = []

    def work() -> None:
        with stop_requests(pytest.fail) as request:
            found.append(request)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [request.signal for request in found] == [None]
