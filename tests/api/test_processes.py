"""`weft train` in two processes: the run is that of one, and goes on in any number of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import weft

STEPS = 12
OPTIONS = {
    "size": "nano", "steps": STEPS, "seed": 3, "context": 16, "batch_size": 5, "dropout": 0, "ema": 0.9, "threads": 1,
    "device": "cpu", "previews": 1, "keep": 9,
}  # fmt: skip


def flags(options: dict[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def in_two(*arguments: str, status: int = 0, program: Sequence[str] = ("-m", "weft")) -> str:
    """The command in two processes; its errors."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *program, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def held_out(run: weft.Run, step: int = STEPS) -> float:
    rows = [row for row in run.folder.metrics() if "validation/loss" in row and row["step"] == step]
    assert len(rows) == 1
    return float(rows[0]["validation/loss"])


def went_back(run: weft.Run, folder: Path) -> Path:
    """A copy of a run as it was at half of its steps."""
    shutil.copytree(run.path, folder)
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        if int(checkpoint.name.removeprefix("step-")) > STEPS // 2:
            shutil.rmtree(checkpoint)
    return folder


@pytest.mark.slow
def test_an_error_is_said_once_and_again_as_the_cause(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    lines = in_two("train", str(absent), "--out", str(tmp_path / "run"), status=1).splitlines()
    assert [line for line in lines if line.startswith(("error: ", "[rank"))] == [
        f"error: {absent} does not exist or is no folder; give a folder made by `weft prepare`"
    ]
    cause = lines[lines.index("Root Cause (first observed failure):") :]
    assert [line for line in cause if line.startswith(f"  traceback : error: {absent} does not exist")]


ALONE = """
import os
from weft.cli import main, together
from weft.errors import TrainingError
from weft.training.loop import Loop

together.PATIENCE = 1.0
step = Loop.train_step

def fail(loop):
    if loop.step == 3 and loop.world.rank == 1:
        raise TrainingError("the moon is in the way")
    return step(loop)

Loop.train_step = fail
main.main()
"""


@pytest.mark.slow
def test_an_error_of_one_process_within_the_training_is_all_that_is_said(
    text_corpus: weft.Corpus, tmp_path: Path
) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    said = in_two(
        "train", str(text_corpus.path), "--out", str(tmp_path / "run"), *flags(OPTIONS), status=1, program=[str(script)]
    )
    assert [line for line in said.splitlines() if "error: " in line] == [
        "[rank 1] error: the moon is in the way",
        "  traceback : error: the moon is in the way",
    ]
    assert "traceback : error: the moon" in said.partition("Root Cause (first observed failure):")[2]
    assert "gloo" not in said


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["none", "full"])
def test_two_processes_learn_what_one_learns(shard: str, text_corpus: weft.Corpus, tmp_path: Path) -> None:
    one = weft.train(text_corpus, out=tmp_path / "one", **OPTIONS)  # type: ignore[arg-type]
    in_two("train", str(text_corpus.path), "--out", str(tmp_path / "two"), *flags(OPTIONS), "--shard", shard)
    two = weft.load(tmp_path / "two")
    assert isinstance(two, weft.Run)
    assert held_out(two) == pytest.approx(held_out(one), rel=1e-4)
    assert two.generate("It", seed=1, max_tokens=4)[0].payload.startswith("It")
    assert list((two.path / "previews").glob("step-*"))

    to_two = went_back(one, tmp_path / "to-two")
    said = in_two("train", "--resume", "--out", str(to_two), str(text_corpus.path))
    assert f"going on from step {STEPS // 2} of {STEPS}" in said
    to_one = weft.train(text_corpus, out=went_back(two, tmp_path / "to-one"), resume=True)
    resumed = weft.load(to_two)
    assert isinstance(resumed, weft.Run)
    for run in (resumed, to_one):
        assert held_out(run) == pytest.approx(held_out(one), rel=1e-4)
