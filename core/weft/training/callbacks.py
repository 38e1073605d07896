"""What happens beside the loop of a run: each callback does one thing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from weft.interfaces.callback import Callback, Figures, Training
from weft.interfaces.progress import Reporter, Task
from weft.pages.losses import losses_text
from weft.storage.figures import finite
from weft.storage.run import RunFolder
from weft.training.throughput import Speed

LOG_EVERY = 10


class ShowProgress(Callback):
    """Tells a task of every step. Comes first, so that the time of a step ends here.

    Args:
        task: Told.
        speed: Measured here; :class:`StartStep`, which comes last, begins each step.
    """

    def __init__(self, task: Task, speed: Speed | None = None) -> None:
        self._task = task
        self._speed = speed

    def after_step(self, training: Training, figures: Figures) -> None:
        if self._speed is None:
            self._task.advance(1, loss=figures["loss"])
            return
        self._speed.end_step(figures["tokens"])
        self._task.advance(1, loss=figures["loss"], speed=self._speed.text())


class StartStep(Callback):
    """Says that a step begins, once all other callbacks are done."""

    def __init__(self, speed: Speed) -> None:
        self._speed = speed

    def begin(self, training: Training) -> None:
        self._speed.begin_step()

    def after_step(self, training: Training, figures: Figures) -> None:
        self._speed.begin_step()

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        self._speed.begin_step()


class LogMetrics(Callback):
    """Appends a row on every few steps, and one on each evaluation, to ``metrics.jsonl``; docs/formats.md says what is
    in them.

    Args:
        folder: Of the run.
        unlogged: What a resumed run has of the steps since the last row: figures, or losses alone from older runs.
        peak_rate: Peak learning rate.
        speed: Of training; ``None`` logs none.
        tell: Told of every row as well.

    Attributes:
        unlogged: Figures of the steps since the last row.
    """

    def __init__(
        self,
        folder: RunFolder,
        unlogged: Sequence[Mapping[str, float] | float] = (),
        *,
        peak_rate: float = 1.0,
        speed: Speed | None = None,
        tell: Sequence[Callable[[Mapping[str, float]], None]] = (),
    ) -> None:
        self._folder = folder
        self._peak_rate = peak_rate
        self._speed = speed
        self._tell = tell
        self.unlogged = [finite(each if isinstance(each, Mapping) else {"loss": each}) for each in unlogged]
        self._began = 0.0
        self._tokens: float | None = 0.0

    def begin(self, training: Training) -> None:
        self._folder.forget_metrics_after(training.step)
        logged = [row for row in self._folder.metrics() if "loss" in row or "seconds" in row]
        self._began = time.monotonic() - (float(logged[-1].get("seconds", 0.0)) if logged else 0.0)
        # What older runs read is not known.
        self._tokens = logged[-1].get("tokens") if logged else 0.0

    def after_step(self, training: Training, figures: Figures) -> None:
        figures = finite(figures)  # those of a step that was left out are not
        self.unlogged.append(figures)
        if training.step % LOG_EVERY == 0 or training.step == training.steps:
            self._write({"step": training.step, **self._summary(figures), **self._measured()})
            self.unlogged.clear()

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        self._write({"step": training.step, **{f"validation/{name}": value for name, value in figures.items()}})

    def _summary(self, last: Figures) -> dict[str, float]:
        """The mean of each loss over the steps since the last row, and how things stand at the last of them."""
        names = dict.fromkeys(name for each in self.unlogged for name in each if name == "loss" or "/" in name)
        found = {name: fmean(each[name] for each in self.unlogged if name in each) for name in names}
        found |= {name: value for name, value in last.items() if name not in names and name != "tokens"}
        if "learning_rate_share" in last:
            found["learning_rate"] = last["learning_rate_share"] * self._peak_rate
        if self._tokens is not None:
            self._tokens += sum(each.get("tokens", 0.0) for each in self.unlogged)
            found["tokens"] = self._tokens
        return found

    def _measured(self) -> dict[str, float]:
        """What differs between two runs that are the same."""
        speed = {} if self._speed is None else self._speed.figures()
        return {"seconds": time.monotonic() - self._began, **speed}

    def _write(self, row: Mapping[str, float]) -> None:
        row = finite(row)
        self._folder.log(row)
        for tell in self._tell:
            tell(row)


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
        best = "; the best so far" if improved else ""
        self._reporter.note(f"step {training.step:,}: held-out {losses_text(figures)}{best}")
