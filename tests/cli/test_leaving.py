"""How a process of the command ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys
from weft.cli.leaving import leave
atexit.register(print, "torn down")
print("last words", end="")
print("and errors", end="", file=sys.stderr)
leave(3)
"""


@pytest.mark.parametrize(("processes", "torn_down"), [("1", True), ("2", False)])
def test_one_of_several_processes_ends_without_tearing_the_interpreter_down(processes: str, torn_down: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "WORLD_SIZE": processes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout.startswith("last words")
    assert done.stderr == "and errors"
    assert ("torn down" in done.stdout) is torn_down
