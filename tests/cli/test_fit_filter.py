"""``weft fit-filter`` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weft.filters import TextFilter


def weft_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weft", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        (f"buy cheap pills number {index} now", "spam") if index % 2 else (f"we met at the lake on day {index}", "mail")
        for index in range(120)
    ]
    lines = [json.dumps({"message": f"{text} {word}", "verdict": label}) for text, label in rows for word in "abc"]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_a_filter_from_the_command_line(folder: Path) -> None:
    done = weft_process(folder, "fit-filter", "labels.jsonl", "--out", "spam.filter")
    assert done.returncode == 0, done.stderr
    assert "360 different, 180 of them to drop" in done.stdout
    assert "drops       spam; keeps mail" in done.stdout
    assert "precision 1.000 (asked 0.99), recall 1.000" in done.stdout
    assert "pills" in done.stdout
    fitted = TextFilter.load(folder / "spam.filter")
    assert fitted.drops("buy cheap pills")
    assert not fitted.drops("we met at the lake")
    assert fitted.facts.name == "spam"


def test_json_and_options(folder: Path) -> None:
    arguments = ["--drop", "mail", "--unit", "document", "--name", "lake", "--precision", "0.9", "--json"]
    done = weft_process(folder, "fit-filter", "labels.jsonl", "--out", "lake.filter", *arguments)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    printed = json.loads(line)
    assert printed["kind"] == "filter"
    assert printed["unit"] == "document"
    assert printed["drop"] == ["mail"]
    assert printed["report"]["asked_precision"] == 0.9
    fitted = TextFilter.load(folder / "lake.filter")
    assert (fitted.sha256, fitted.facts.name) == (printed["sha256"], "lake")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["labels.csv", "--out", "a.filter"], "error: labels.csv cannot be read"),
        (["labels.jsonl", "--out", "a.filter", "--drop", "ham"], "no row has the label 'ham'"),
        (["labels.jsonl", "--out", "labels.jsonl"], "is already there; choose another name or pass --force"),
        (["labels.jsonl", "--out", "labels.jsonl", "--force"], "labels.jsonl is no filter of texts"),
        (["labels.jsonl", "--out", "."], "is a folder"),
        (["labels.jsonl"], "Missing option '--out'"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], message: str, folder: Path) -> None:
    done = weft_process(folder, "fit-filter", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "labels.jsonl").stat().st_size > 0
