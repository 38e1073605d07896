"""What happens beside the loop of a run: each callback does one thing."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence

from weft.interfaces.progress import Reporter, Task
from weft.storage.run import RunFolder
from weft.training.loop import Callback, Loop

LOG_EVERY = 10


class ShowProgress(Callback):
    """Tells a task of every step."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def after_step(self, loop: Loop, figures: Mapping[str, float]) -> None:
        self._task.advance(1, loss=figures["loss"])


class LogMetrics(Callback):
    """Appends the mean loss of every few steps, and the time trained, to ``metrics.jsonl``.

    Args:
        folder: Of the run.
        unlogged: Losses since the last row, of a resumed run.

    Attributes:
        unlogged: Losses of the steps since the last row.
    """

    def __init__(self, folder: RunFolder, unlogged: Sequence[float] = ()) -> None:
        self._folder = folder
        self.unlogged = list(unlogged)
        self._began = 0.0

    def begin(self, loop: Loop) -> None:
        self._folder.forget_metrics_after(loop.step)
        before = max((float(row.get("seconds", 0.0)) for row in self._folder.metrics()), default=0.0)
        self._began = time.monotonic() - before

    def after_step(self, loop: Loop, figures: Mapping[str, float]) -> None:
        self.unlogged.append(figures["loss"])
        if loop.step % LOG_EVERY == 0 or loop.step == loop.settings.steps:
            mean = sum(self.unlogged) / len(self.unlogged)
            self.unlogged.clear()
            self.write({"step": loop.step, **figures, "loss": mean, "seconds": time.monotonic() - self._began})

    def write(self, row: Mapping[str, float]) -> None:
        with self._folder.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class KeepWeights(Callback):
    """Evaluates every few steps, and saves the last weights and those that did best on held-out data.

    Args:
        folder: Of the run.
        evaluate: Held-out figures of the model as it stands, with a ``loss``; ``None`` where nothing was held out.
        every: Steps between checkpoints.
        best: Figures of the best weights so far, of a resumed run.
        last: Figures of the last weights, of a resumed run.
        log: Where held-out figures are written; called before this.
        reporter: Told of each evaluation.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        evaluate: Callable[[], Mapping[str, float]] | None,
        every: int,
        best: Mapping[str, float] | None,
        last: Mapping[str, float] | None,
        log: LogMetrics,
        reporter: Reporter,
    ) -> None:
        self._folder = folder
        self._evaluate = evaluate
        self._every = every
        self.best = best
        self.last = last
        self._log = log
        self._reporter = reporter

    def after_step(self, loop: Loop, figures: Mapping[str, float]) -> None:
        if loop.step % self._every and loop.step != loop.settings.steps:
            return
        improved = self._judge(loop)
        notes = {"best": self.best, "last": self.last, "unlogged": list(self._log.unlogged)}
        self._folder.checkpoints.save(loop.state(notes), best=improved)

    def _judge(self, loop: Loop) -> bool:
        """Evaluate; whether these are the best weights so far (the last are, where there is nothing to judge by)."""
        if self._evaluate is None:
            return True
        self.last = {"step": loop.step, **self._evaluate()}
        improved = self.best is None or self.last["loss"] < self.best["loss"] or math.isnan(self.best["loss"])
        if improved:
            self.best = self.last
        self._log.write({f"validation/{k}" if k != "step" else k: v for k, v in self.last.items()})
        shown = ", ".join(f"{name} {value:.3f}" for name, value in self.last.items() if "/" in name)
        self._reporter.note(f"step {loop.step}: held-out {shown}{' (best so far)' if improved else ''}")
        return improved
