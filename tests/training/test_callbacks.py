"""What happens beside the loop: the log, and which weights are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.storage.checkpoints import TrainingState
from weft.storage.run import RunFolder, RunManifest
from weft.training.callbacks import LOG_EVERY, KeepWeights, LogMetrics
from weft.training.world import World


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    manifest = RunManifest({}, {}, {}, ["text"], {"text": (1, 2)}, [], [], {}, "0")
    return RunFolder.create(tmp_path / "run", manifest, {}, force=False)


class Steps:
    """What callbacks look at, without anything that learns."""

    world = World()
    stopping = False

    def __init__(self, steps: int, every: int, judged: bool) -> None:
        self.step = 0
        self.steps = steps
        self._every = every
        self._judged = judged

    @property
    def evaluates_now(self) -> bool:
        return self._judged and self.step % self._every == 0

    def state(self, notes: dict[str, Any]) -> TrainingState:
        return TrainingState(self.step, {"w": torch.full((1,), float(self.step))}, {"m": torch.zeros(1)}, notes)


def loop(step: int, steps: int) -> Any:
    made = Steps(steps, 1, False)
    made.step = step
    return made


def train(folder: RunFolder, held_out: Sequence[float] | None, every: int = 1) -> KeepWeights:
    """One step after another, with these held-out losses."""
    figures = iter([{"loss": loss, "text/x": loss} for loss in held_out or ()])
    training: Any = Steps(every * len(held_out) if held_out is not None else 4, every, held_out is not None)
    log = LogMetrics(folder)
    keep = KeepWeights(folder=folder, loop=training, log=log, best=None, last=None, every=every)
    log.begin(training)
    for _ in range(training.steps):
        training.step += 1
        for callback in (log, keep):
            callback.after_step(training, {"loss": float(training.step)})
        if training.evaluates_now:
            judged = next(figures)
            for callback in (log, keep):
                callback.after_evaluation(training, judged)
    return keep


@pytest.mark.parametrize(
    ("held_out", "best"),
    [([3, 2, 1], 3), ([1, 2, 3], 1), ([3, 1, 2], 2), ([2, 2], 1), ([math.nan, 3, 2], 3), ([3, math.nan, 4], 1)],
)
def test_the_best_is_the_lowest_held_out_loss(folder: RunFolder, held_out: list[float], best: int) -> None:
    keep = train(folder, held_out)
    assert folder.checkpoints.step("best") == best
    assert folder.checkpoints.step("last") == len(held_out)
    assert keep.best is not None
    assert keep.best["step"] == best
    assert folder.checkpoints.load("last").notes["best"]["step"] == best


def test_without_held_out_data_the_last_is_the_best(folder: RunFolder) -> None:
    keep = train(folder, None)
    assert keep.best is keep.last is None
    assert (folder.checkpoints.step("best"), folder.checkpoints.step("last")) == (4, 4)


def test_rows_are_means_of_the_steps_since_the_last(folder: RunFolder) -> None:
    train(folder, [1.0] * 5, every=5)
    rows = [row for row in folder.metrics() if "loss" in row]
    assert [row["step"] for row in rows] == [LOG_EVERY, 2 * LOG_EVERY, 25]
    assert [row["loss"] for row in rows] == [5.5, 15.5, 23.0]
    validation = [row for row in folder.metrics() if "validation/loss" in row]
    assert [row["step"] for row in validation] == [5, 10, 15, 20, 25]
    assert folder.checkpoints.load("last").notes["unlogged"] == []


def test_going_back_forgets_what_came_after(folder: RunFolder) -> None:
    train(folder, [1.0] * 5, every=5)
    with folder.metrics_path.open("a") as file:
        file.write('{"step": 26, "lo')
    LogMetrics(folder).begin(loop(15, 25))
    rows = [json.loads(line) for line in folder.metrics_path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 10, 15]


def test_time_goes_on(folder: RunFolder) -> None:
    folder.metrics_path.write_text('{"step": 10, "loss": 1.0, "seconds": 100.0}\n')
    log = LogMetrics(folder, unlogged=[3.0])
    log.begin(loop(11, 12))
    log.after_step(loop(12, 12), {"loss": 5.0})
    first, second = folder.metrics()
    assert first["seconds"] == 100.0
    assert 100.0 < second["seconds"] < 160.0
    assert second["loss"] == 4.0
