"""How a process of the command ends, and what one of several says before it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


SENTENCE = "error: name the run to go on with: `weft train --resume RUN` (see `weft train --help`)"


def failing(folder: Path, rank: int) -> subprocess.CompletedProcess[str]:
    """A wrong command in one of several processes of a machine, as torchrun starts them."""
    place = folder / str(rank) / "error.json"
    place.parent.mkdir(exist_ok=True)
    several = {"WORLD_SIZE": "3", "RANK": str(rank), "LOCAL_RANK": str(rank), "TORCHELASTIC_ERROR_FILE": str(place)}
    done = subprocess.run(
        [sys.executable, "-m", "weft", "train", "--resume"],
        env={**os.environ, **several},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert json.loads(place.read_text())["message"]["message"] == SENTENCE
    return done


def test_what_all_processes_have_to_say_is_said_once(tmp_path: Path) -> None:
    assert failing(tmp_path, 0).stderr == f"{SENTENCE}\n"
    assert failing(tmp_path, 1).stderr == ""


def test_what_another_process_alone_has_to_say_is_said_with_its_rank(tmp_path: Path) -> None:
    assert failing(tmp_path, 2).stderr == f"[rank 2] {SENTENCE}\n", "the first does not fail"
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "error.json").write_text(json.dumps({"message": {"message": "error: another"}}))
    assert failing(tmp_path, 1).stderr == f"[rank 1] {SENTENCE}\n", "the first fails of something else"
