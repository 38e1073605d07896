"""Where tensors live, and with how many threads and how much memory they are computed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from weft.errors import OptionError, WeftError


def pick_device(name: str | None = None, local_rank: int = 0) -> torch.device:
    """The device asked for, else the best one there is: CUDA, then MPS, then the CPU.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; the best without it.
        local_rank: Place of this process among those of its machine: which of several accelerators is its own, where
            the name does not say.

    Raises:
        OptionError: The device asked for does not exist here.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda", local_rank)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise OptionError(f"device {name!r} is not available here; leave it out or use 'cpu'") from error
    return device


@contextmanager
def cpu_threads(wanted: int | None) -> Iterator[int]:
    """Compute with so many threads while the block lasts, as many as before where ``None``; yields their number.

    Raises:
        OptionError: There cannot be so few.
    """
    if wanted is not None and wanted < 1:
        raise OptionError(f"threads must be at least 1, got {wanted}")
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


@contextmanager
def enough_memory(kind: type[WeftError], advice: str) -> Iterator[None]:
    """Turn running out of memory into an error of ours with advice; every other error passes."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise kind(f"there is not enough memory; {advice}") from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory did not suffice, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The allocators of the CPU and of MPS raise a bare RuntimeError.
    return any(words in str(error) for words in ("allocate memory", "not enough memory", "out of memory"))


def usable_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
