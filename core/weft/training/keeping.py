"""When a run is saved, and what is said where it has to end early."""

from __future__ import annotations

import errno
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final

from weft.errors import Stopped, TrainingError
from weft.interfaces.callback import Callback, Figures, Training
from weft.interfaces.progress import Reporter
from weft.storage.checkpoint_files import folder_name
from weft.storage.figures import finite
from weft.storage.keep import Keep
from weft.storage.run import RunFolder
from weft.training.callbacks import LogMetrics
from weft.training.loop import Loop
from weft.training.stopping import stop_requests

MINUTES: Final = 5.0
"""Between checkpoints, unless something else is asked for: what a crash may cost."""

PAUSE_SHARE: Final = 0.03
"""Share of the time that these may take, by the last one; where saving takes long, they are fewer."""

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class SaveClock:
    """Says when it is time for another checkpoint.

    Saving changes nothing of what is learned or logged, so that the clock may decide, and a resumed run stays exact.

    Args:
        minutes: Between checkpoints; ``None`` for :data:`MINUTES`, or more where the pauses would take too large a
            share.
        now: Seconds.
    """

    def __init__(self, minutes: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._minutes = minutes
        self._now = now
        self._pause = 0.0
        self._ended = now()

    def due(self) -> bool:
        """Whether enough was trained since the last checkpoint."""
        wanted = 60 * (self._minutes or MINUTES)
        least = 0.0 if self._minutes else self._pause / PAUSE_SHARE
        return self._now() - self._ended >= max(wanted, least)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Around the writing of a checkpoint."""
        began = self._now()
        yield
        self._ended = self._now()
        self._pause = self._ended - began


class KeepCheckpoints(Callback):
    """Saves after every evaluation, when the clock says so, at milestones, and before the end.

    Comes after the callbacks whose state belongs to a checkpoint.

    Args:
        folder: Of the run.
        loop: Whose state is saved.
        log: Whose unlogged losses belong to that state.
        keep: Which checkpoints stay.
        clock: When another is due.
        notes: Of the checkpoint that a resumed run goes on from.

    Attributes:
        best: Figures of the weights that did best on held-out data so far.
        last: Figures of the weights that were judged last.
    """

    everywhere: ClassVar[bool] = True

    def __init__(
        self,
        *,
        folder: RunFolder,
        loop: Loop,
        log: LogMetrics,
        keep: Keep,
        clock: SaveClock,
        notes: Mapping[str, Mapping[str, float] | None],
    ) -> None:
        self._folder = folder
        self._loop = loop
        self._log = log
        self._keep = keep
        self._clock = clock
        best, last = notes.get("best"), notes.get("last")
        self.best = best if best and math.isfinite(best["loss"]) else None
        self.last = None if last is None else finite(last)

    def begin(self, training: Training) -> None:
        if self._loop.world.is_main:
            self._folder.checkpoints.tidy(self._keep)
            self._loop.save_due = self._clock.due

    def after_step(self, training: Training, figures: Figures) -> None:
        ending = training.stopping or training.step == training.steps
        if (ending or self._loop.saving or self._keep.is_milestone(training.step)) and not self._loop.evaluates_now:
            self._save(best=False)

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        self.last = {"step": training.step, **finite(figures)}
        loss = self.last.get("loss")
        improved = loss is not None and (self.best is None or loss < self.best["loss"])
        if improved:
            self.best = self.last
        self._save(best=improved)

    def _save(self, *, best: bool) -> None:
        with self._clock.pause():
            state = self._loop.state({"best": self.best, "last": self.last, "unlogged": list(self._log.unlogged)})
            if self._loop.world.is_main:
                self._folder.checkpoints.save(state, best=best, keep=self._keep)
        self._loop.world.wait()
        saved = self._folder.checkpoints.folder / folder_name(self._loop.step)
        for callback in self._loop.callbacks:
            if callback.everywhere or self._loop.world.is_main:
                callback.after_checkpoint(self._loop, saved)


class TellStop(Callback):
    """Says that a signal came, in place of its handler, which may not write. Comes before the one that saves.

    Args:
        asked: Numbers of the signals so far.
        reporter: Told.
    """

    def __init__(self, asked: Sequence[int], reporter: Reporter) -> None:
        self._asked = asked
        self._reporter = reporter
        self._told = False

    def after_step(self, training: Training, figures: Figures) -> None:
        if self._asked and not self._told:
            self._told = True
            self._reporter.note("stopping as soon as this step is saved; another signal quits at once, without saving")


@contextmanager
def ending_well(loop: Loop, folder: RunFolder, reporter: Reporter) -> Iterator[None]:
    """Around the training of a run: a signal ends it after the step that it came in, and a full disk is explained.

    Raises:
        Stopped: A signal ended it before its last step; everything is saved.
        TrainingError: The disk takes no more.
    """
    asked: list[int] = []

    def stop(number: int) -> None:
        asked.append(number)
        loop.stop()

    loop.callbacks = [TellStop(asked, reporter), *loop.callbacks]
    try:
        with stop_requests(stop):
            yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise TrainingError(_no_room(folder, error)) from error
    if loop.step < loop.steps:
        number = asked[0] if asked else signal.SIGTERM  # it reached another process
        raise Stopped(f"stopped at step {loop.step:,} of {loop.steps:,}, saved; go on with --resume", number)


def _no_room(folder: RunFolder, error: OSError) -> str:
    steps = folder.checkpoints.steps()
    left = f"the checkpoint of step {steps[-1]} is whole" if steps else "it had no checkpoint yet"
    return (
        f"{folder.path} cannot be written ({os.strerror(error.errno or 0)}); {left}: make room there, then go on with "
        f"--resume"
    )
