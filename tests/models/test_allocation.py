"""Freed memory that stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from weft.models.allocation import freed_memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    blocks = [torch.ones(5 << 20, dtype=torch.uint8) for _ in range(30)]
    del blocks

def of_a_step():
    step()
    before = faults()
    step()
    return faults() - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

torch.set_num_threads(1)
usual = of_a_step()
with freed_memory_kept():
    kept = of_a_step()
    inside = resident()
print(usual, kept, inside - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_steps_use_the_pages_of_the_step_before() -> None:
    shown = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    usual, kept, given_back = map(int, shown.split())
    pages = 30 * (5 << 20) // 4096
    assert usual > pages / 2, "without it the memory of a step is new to the process"
    assert kept < pages / 100
    assert given_back > pages / 2, "after it the memory is the system's again"
