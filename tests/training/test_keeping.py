"""When a run is saved, and what is said where it has to end early."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.interfaces.progress import Silent
from weft.storage.checkpoints import TrainingState
from weft.storage.keep import Keep
from weft.storage.run import RunFolder, RunManifest
from weft.training.callbacks import LogMetrics
from weft.training.keeping import MINUTES, PAUSE_SHARE, KeepCheckpoints, SaveClock, ending_well
from weft.training.world import World


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    manifest = RunManifest({}, {}, {}, ["text"], {"text": (1, 2)}, [], [], {}, "0")
    return RunFolder.create(tmp_path / "run", manifest, {}, force=False)


class Clock:
    """Goes only when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Steps:
    """A loop that learns nothing."""

    world = World()

    def __init__(self, steps: int, held_out: Sequence[float] = (), every: int = 1) -> None:
        self.step = 0
        self.steps = steps
        self.stopping = self.saving = False
        self.callbacks: list[Any] = []
        self._held_out = list(held_out)
        self._every = every

    @property
    def evaluates_now(self) -> bool:
        return bool(self._held_out) and self.step % self._every == 0

    def save_due(self) -> bool:
        raise AssertionError("no callback says when it is time to save")

    def state(self, notes: dict[str, Any]) -> TrainingState:
        return TrainingState(self.step, {"w": torch.full((1,), float(self.step))}, {"w/m": torch.zeros(1)}, notes)

    def stop(self) -> None:
        self.stopping = True

    def run(self, clock: Clock, seconds: float) -> None:
        for callback in self.callbacks:
            callback.begin(self)
        while self.step < self.steps and not self.stopping:
            clock.seconds += seconds
            self.saving = self.save_due()
            self.step += 1
            for callback in self.callbacks:
                callback.after_step(self, {"loss": 1.0})
            if self.evaluates_now:
                for callback in self.callbacks:
                    callback.after_evaluation(self, {"loss": self._held_out[self.step // self._every - 1]})


class Saved(weft.Callback):
    """Remembers when checkpoints were written."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def after_checkpoint(self, training: weft.Training, folder: Path) -> None:
        assert (folder / "state.json").is_file()
        self.steps.append(training.step)


def train(
    folder: RunFolder, loop: Steps, *, seconds: float = 1.0, minutes: float | None = None, keep: Keep | None = None
) -> tuple[KeepCheckpoints, list[int]]:
    clock, saved = Clock(), Saved()
    keeping = KeepCheckpoints(
        folder=folder,
        loop=loop,  # type: ignore[arg-type]
        log=LogMetrics(folder),
        keep=keep or Keep(),
        clock=SaveClock(minutes, clock),
        notes={},
    )
    loop.callbacks = [keeping, saved]
    loop.run(clock, seconds)
    return keeping, saved.steps


@pytest.mark.parametrize(
    ("held_out", "best"),
    [([3, 2, 1], 3), ([1, 2, 3], 1), ([3, 1, 2], 2), ([2, 2], 1), ([math.nan, 3, 2], 3), ([3, math.nan, 4], 1)],
)
def test_the_best_is_the_lowest_held_out_loss(folder: RunFolder, held_out: list[float], best: int) -> None:
    keeping, saved = train(folder, Steps(len(held_out), held_out))
    assert folder.checkpoints.step("best") == best
    assert folder.checkpoints.step("last") == len(held_out) == saved[-1]
    assert keeping.best is not None
    assert keeping.best["step"] == best
    assert folder.checkpoints.load("last").notes["best"]["step"] == best


def test_a_state_is_json_whatever_the_loss(folder: RunFolder) -> None:
    loop = Steps(2, [math.nan, math.inf])
    keeping, _ = train(folder, loop)
    path = folder.checkpoints.path("last") / "state.json"
    notes = json.loads(path.read_text(), parse_constant=pytest.fail)["notes"]
    assert (notes["best"], notes["last"]) == (None, {"step": 2})
    assert keeping.best is None


def test_without_held_out_data_the_last_is_the_best(folder: RunFolder) -> None:
    keeping, saved = train(folder, Steps(4))
    assert keeping.best is keeping.last is None
    assert saved == [4]
    assert (folder.checkpoints.step("best"), folder.checkpoints.step("last")) == (4, 4)


def test_time_between_evaluations_is_saved(folder: RunFolder) -> None:
    _, saved = train(folder, Steps(20, [1.0, 1.0], every=10), seconds=60, minutes=3)
    assert saved == [3, 6, 9, 10, 13, 16, 19, 20]


def test_milestones_are_saved_and_stay(folder: RunFolder) -> None:
    _, saved = train(folder, Steps(10, [1.0, 2.0], every=5), keep=Keep(1, 3))
    assert saved == [3, 5, 6, 9, 10]
    assert folder.checkpoints.steps() == [3, 5, 6, 9, 10]
    _, saved = train(folder, Steps(4), keep=Keep(1))
    assert folder.checkpoints.steps() == [4]


class OtherProcess(World):
    """Not the first, and not kept waiting."""

    def wait(self) -> None:
        pass


def test_other_processes_are_told_of_checkpoints_too(folder: RunFolder) -> None:
    """Callbacks that live in them are, once the first process has written it."""
    told: list[Path] = []

    class Everywhere(weft.Callback):
        everywhere = True

        def after_checkpoint(self, training: weft.Training, folder: Path) -> None:
            told.append(folder)

    loop: Any = Steps(4, [2.0, 1.0], every=2)
    loop.world = OtherProcess(rank=1, size=2)
    keeping = KeepCheckpoints(
        folder=folder, loop=loop, log=LogMetrics(folder), keep=Keep(), clock=SaveClock(None), notes={}
    )
    keeping.begin(loop)
    first_alone = Saved()
    loop.callbacks = [keeping, first_alone, Everywhere()]
    for loop.step in (2, 4):
        keeping.after_evaluation(loop, {"loss": 1.0})
    assert [path.name for path in told] == ["step-00000002", "step-00000004"]
    assert first_alone.steps == []
    assert not folder.checkpoints.folder.exists()


@pytest.mark.parametrize(("pause", "expected"), [(1.0, MINUTES * 60), (60.0, 60.0 / PAUSE_SHARE)])
def test_where_saving_takes_long_it_is_done_less_often(pause: float, expected: float) -> None:
    now = Clock()
    clock, asked = SaveClock(None, now), SaveClock(1.0, now)
    with clock.pause(), asked.pause():
        now.seconds += pause
    assert not clock.due()
    now.seconds += expected - 1
    assert not clock.due()
    assert asked.due()
    now.seconds += 1
    assert clock.due()


def test_pauses_are_a_small_share() -> None:
    """Whatever the pause is, once one was measured."""
    now = Clock()
    clock = SaveClock(None, now)
    paused = trained = 0.0
    for _ in range(100_000):
        now.seconds += 0.7
        trained += 0.7
        if clock.due():
            with clock.pause():
                now.seconds += 47
            paused += 47
    assert paused > 0
    assert paused < 0.05 * trained


def test_a_signal_ends_it_saved(folder: RunFolder) -> None:
    loop: Any = Steps(10)
    told: list[str] = []

    class Ask(weft.Callback):
        def after_step(self, training: weft.Training, figures: Any) -> None:
            if training.step == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    class Told(Silent):
        def note(self, message: str) -> None:
            told.append(message)

    clock = Clock()
    keeping = KeepCheckpoints(
        folder=folder, loop=loop, log=LogMetrics(folder), keep=Keep(), clock=SaveClock(None, clock), notes={}
    )
    loop.callbacks = [keeping]

    def run() -> None:
        with ending_well(loop, folder, Told()):
            loop.callbacks.insert(0, Ask())  # the signal comes in the step
            loop.run(clock, 1.0)

    with pytest.raises(weft.Stopped) as found:
        run()
    assert str(found.value) == "stopped at step 3 of 10, saved; go on with --resume"
    assert found.value.signal == signal.SIGTERM
    assert folder.checkpoints.steps() == [3]
    assert told == ["stopping as soon as this step is saved; another signal quits at once, without saving"]


def test_a_signal_in_the_last_step_ends_nothing_early(folder: RunFolder) -> None:
    loop: Any = Steps(2)
    with ending_well(loop, folder, Silent()):
        train(folder, loop)
        os.kill(os.getpid(), signal.SIGINT)
    assert folder.checkpoints.steps() == [2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_full_disk_is_explained(folder: RunFolder, number: int) -> None:
    loop: Any = Steps(10)
    for what in ("it had no checkpoint yet", "the checkpoint of step 7 is whole"):
        with pytest.raises(weft.TrainingError) as found, ending_well(loop, folder, Silent()):
            raise OSError(number, "no")
        assert str(found.value).startswith(
            f"{folder.path} cannot be written ({os.strerror(number)}); {what}: make room"
        )
        folder.checkpoints.save(TrainingState(7, {"w": torch.zeros(1)}, {}), best=False)


def test_other_errors_pass(folder: RunFolder) -> None:
    with pytest.raises(BrokenPipeError), ending_well(Steps(1), folder, Silent()):  # type: ignore[arg-type]
        raise BrokenPipeError
