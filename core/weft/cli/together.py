"""How one of several processes that torchrun started says what is wrong: a sentence that all of them have to say is
printed once on each machine, and stands again where torchrun names the cause."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

PATIENCE = 10.0
"""Seconds that a process waits for the first one of its machine to fail of the same: on a machine that is busy they
start seconds apart."""
_POLL = 0.05


def tell(line: str) -> None:
    """Print a line on stderr, unless the first process of this machine prints the very same.

    Lines of any process but the first begin with its rank.
    """
    place = _error_file()
    if place is not None:
        _write(place, line)
    rank = int(os.environ.get("RANK", "0"))
    with _undisturbed():
        if place is None or _is_first() or not _first_says(place, line):
            click.echo(f"[rank {rank}] {line}" if rank else line, err=True)


def tell_first(line: str) -> None:
    """Print a line on stderr in the first process of this machine alone; it is no cause of a failure."""
    if _is_first():
        click.echo(line, err=True)


def tell_of_peer(line: str) -> None:
    """:func:`tell_first`, unless a process of this machine has told the cause."""
    place = _error_file()
    if place is None or not any(place.parent.parent.glob(f"*/{place.name}")):
        tell_first(line)


def _is_first() -> bool:
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def _error_file() -> Path | None:
    """``LOCAL_RANK/error.json``, from which torchrun takes the cause of a failure that it shows
    (https://docs.pytorch.org/docs/stable/elastic/errors.html)."""
    named = os.environ.get("TORCHELASTIC_ERROR_FILE")
    return Path(named) if named else None


def _write(place: Path, line: str) -> None:
    told = {"message": {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}}
    temporary = place.with_name(f".{place.name}.partial")
    try:
        temporary.write_text(json.dumps(told))
        temporary.replace(place)
    except OSError:
        return  # the sentence itself matters more than where else it stands


@contextmanager
def _undisturbed() -> Iterator[None]:
    """SIGTERM waits while the block lasts: torchrun sends it to all others as soon as one process has ended."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _first_says(place: Path, line: str) -> bool:
    first = place.parent.parent / "0" / place.name
    until = time.monotonic() + PATIENCE
    while not first.exists():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL)
    try:
        return bool(json.loads(first.read_text())["message"]["message"] == line)
    except (OSError, ValueError, KeyError, TypeError):
        return False
