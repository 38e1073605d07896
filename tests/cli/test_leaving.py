"""How a process of the command ends, and what one of several says before it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft.cli.main import run
from weft.errors import PeerError


class Ending:
    """In the place of a command, which ends like this."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error or KeyboardInterrupt()

    def main(self, *arguments: Any, **options: Any) -> None:
        raise self._error


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


IMPATIENT = "from weft.cli import main, together; together.PATIENCE = 1.0; main.main()"
SENTENCE = "error: name the run to go on with: `weft train --resume RUN` (see `weft train --help`)"


def failing(folder: Path, rank: int) -> subprocess.CompletedProcess[str]:
    """A wrong command in one of several processes of a machine, as torchrun starts them."""
    place = folder / str(rank) / "error.json"
    place.parent.mkdir(exist_ok=True)
    several = {"WORLD_SIZE": "3", "RANK": str(rank), "LOCAL_RANK": str(rank), "TORCHELASTIC_ERROR_FILE": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "train", "--resume"],
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


@pytest.mark.parametrize("rank", [0, 1])
def test_an_interrupt_is_said_by_the_first_process_alone(
    rank: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setattr("weft.cli.main.cli", Ending())
    assert run(["train"]) == 130
    assert capsys.readouterr().err == ("" if rank else "interrupted\n")


@pytest.mark.parametrize(("rank", "told"), [(0, False), (1, False), (0, True)])
def test_a_process_that_lost_another_speaks_only_where_nobody_told_the_cause(
    rank: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in range(2):
        (tmp_path / str(each)).mkdir()
    if told:
        (tmp_path / "1" / "error.json").write_text("{}")
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / str(rank) / "error.json"))
    monkeypatch.setattr("weft.cli.main.cli", Ending(PeerError("another failed")))
    assert run(["train"]) == 2
    assert capsys.readouterr().err == ("error: another failed\n" if rank == 0 and not told else "")
    assert not (tmp_path / str(rank) / "error.json").exists(), "torchrun would take it for a cause"
