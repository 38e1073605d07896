"""Keep the memory that a step has used for the next one.

The allocator of the C library gives freed memory back to the system as soon as some tens of megabytes lie at the end,
and asks for it again in the next step: each page then costs a fault, and the system fills it with zeros. A step of a
model of 5 million parameters had fifty thousand of them, and took a seventh longer (docs/decisions/training-speed.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of ``mallopt``, see its manual page."""
_MIB = 2**20
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * _MIB, _MMAP_THRESHOLD: 32 * _MIB}
_USUAL = {_TRIM_THRESHOLD: 64 * _MIB, _TOP_PAD: _MIB // 8, _MMAP_THRESHOLD: 32 * _MIB}
"""Where glibc ends up by itself in a process that has freed large blocks."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Freed memory stays with this process while the block lasts, and goes back to the system after it.

    Blocks of 32 MiB and more always go back. Nothing happens with C libraries other than glibc.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    _set(libc, _KEEPING)
    try:
        yield
    finally:
        _set(libc, _USUAL)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # not on Windows
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def _set(libc: ctypes.CDLL, parameters: dict[int, int]) -> None:
    for parameter, value in parameters.items():
        libc.mallopt(parameter, value)
