"""Threads and memory: set for a while, and explained where they do not suffice."""

from __future__ import annotations

import pytest
import torch

import weft
from weft.models.device import cpu_threads, enough_memory


def test_threads_are_set_for_a_while() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1) as threads:
        assert threads == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with cpu_threads(None) as threads:
        assert threads == before


def test_fewer_than_one_thread() -> None:
    with pytest.raises(weft.OptionError, match="threads must be at least 1, got 0"), cpu_threads(0):
        pass


def exhaust(error: Exception | None) -> None:
    with enough_memory(weft.TrainingError, "buy some"):
        if error is not None:
            raise error
        torch.empty(2**60, dtype=torch.float32)


@pytest.mark.parametrize("error", [None, torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_running_out_of_memory_gets_advice(error: Exception | None) -> None:
    with pytest.raises(weft.TrainingError, match="not enough memory; buy some"):
        exhaust(error)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        exhaust(RuntimeError("the shapes do not fit"))
