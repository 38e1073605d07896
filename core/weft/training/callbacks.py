"""What happens beside the loop of a run: each callback does one thing."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence

from weft.interfaces.callback import Callback, Figures, Training
from weft.interfaces.progress import Reporter, Task
from weft.storage.run import RunFolder

LOG_EVERY = 10


class ShowProgress(Callback):
    """Tells a task of every step."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def after_step(self, training: Training, figures: Figures) -> None:
        self._task.advance(1, loss=figures["loss"])


class LogMetrics(Callback):
    """Appends the mean loss of every few steps, the time trained, and held-out figures, to ``metrics.jsonl``.

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

    def begin(self, training: Training) -> None:
        self._folder.forget_metrics_after(training.step)
        before = max((float(row.get("seconds", 0.0)) for row in self._folder.metrics()), default=0.0)
        self._began = time.monotonic() - before

    def after_step(self, training: Training, figures: Figures) -> None:
        self.unlogged.append(figures["loss"])
        if training.step % LOG_EVERY == 0 or training.step == training.steps:
            mean = sum(self.unlogged) / len(self.unlogged)
            self.unlogged.clear()
            self._write({"step": training.step, **figures, "loss": mean, "seconds": time.monotonic() - self._began})

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        self._write({"step": training.step, **{f"validation/{name}": value for name, value in figures.items()}})

    def _write(self, row: Mapping[str, float]) -> None:
        with self._folder.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class ShowEvaluation(Callback):
    """Tells the reporter of held-out figures.

    Args:
        reporter: Told.
        best: The lowest held-out loss so far, of a resumed run.
    """

    def __init__(self, reporter: Reporter, best: float = math.inf) -> None:
        self._reporter = reporter
        self._best = best

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        improved = figures["loss"] < self._best
        self._best = min(self._best, figures["loss"])
        shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if "/" in name)
        self._reporter.note(f"step {training.step}: held-out {shown}{' (best so far)' if improved else ''}")
