"""Reporters for people: a live display on a terminal, plain lines elsewhere. All of it goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from weft.interfaces.progress import Reporter, Silent, Task
from weft.pages.numbers import duration, plural

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID
    from rich.progress import Task as RichProgressTask
    from rich.table import Column

PLAIN_EVERY = 10.0
"""Seconds between lines of a plain task."""
WIDE = 110
"""Columns of a terminal from which there is room for a long bar."""
SPEED_OVER = 120.0
"""Seconds over which the time left is estimated: more than lie between two evaluations of a short training."""


def make_reporter(*, quiet: bool = False) -> Reporter:
    """The reporter that suits where stderr goes."""
    if quiet:
        return QuietReporter()
    return RichReporter() if sys.stderr.isatty() else PlainReporter()


class QuietReporter(Silent):
    """Warnings alone."""

    def warn(self, message: str) -> None:
        click.echo(f"warning: {message}", err=True)


class PlainReporter:
    """One line every few seconds and one at the end: for log files and pipes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def task(self, description: str, total: int | None, unit: str, done: int = 0) -> Task:
        return _PlainTask(description, total, unit, done, self._clock)

    def note(self, message: str) -> None:
        click.echo(message, err=True)

    def warn(self, message: str) -> None:
        click.echo(f"warning: {message}", err=True)


class _PlainTask:
    def __init__(self, description: str, total: int | None, unit: str, done: int, clock: Callable[[], float]) -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._clock = clock
        self._began = self._shown = clock()
        self._done = self._before = done
        self._figures: dict[str, float | str] = {}

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self._done += amount
        self._figures.update(figures)
        if self._clock() - self._shown >= PLAIN_EVERY:
            self._show(ended=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._show(ended=True)

    def _show(self, *, ended: bool) -> None:
        self._shown = self._clock()
        seconds = self._shown - self._began
        of = f"/{self._total:,}" if self._total is not None and not ended else ""
        rate = (self._done - self._before) / seconds if seconds > 0 else 0.0
        parts = [f"{self._description}: {self._done:,}{of} {plural(self._unit, self._total or self._done)}"]
        if ended:
            parts.append(f"in {duration(seconds)}")
        if rate:
            parts.append(show_rate(rate, self._unit))
        if not ended and self._total is not None and rate:
            parts.append(f"{duration(max(0.0, self._total - self._done) / rate)} left")
        click.echo(", ".join([*parts, *figure_texts(self._figures)]), err=True)


class RichReporter:
    """A live bar for each running task."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._running = 0

    def task(self, description: str, total: int | None, unit: str, done: int = 0) -> Task:
        return _RichTask(self, description, total, unit, done)

    def note(self, message: str) -> None:
        self._print(message, style="")

    def warn(self, message: str) -> None:
        self._print(f"warning: {message}", style="yellow")

    def _print(self, message: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text(message, style=style), soft_wrap=True)

    def begin(self) -> Progress:
        """The display, started with the first running task: tasks may nest, and a console holds one display."""
        if self._progress is None:
            self._progress = self._make()
            self._progress.start()
            self._console.show_cursor(True)  # a process that is killed could not bring it back
        self._running += 1
        return self._progress

    def end(self) -> None:
        """Stop the display with the last running task."""
        self._running -= 1
        if self._running == 0 and self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _make(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        # What is left of the line belongs to the details: all other columns keep their width.
        whole = Column(no_wrap=True)
        return Progress(
            TextColumn("{task.description}", markup=False, table_column=whole),
            BarColumn(bar_width=24 if self._console.width >= WIDE else 6, table_column=whole),
            _count_column(whole),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=whole),
            _details_column(),
            console=self._console,
            speed_estimate_period=SPEED_OVER,
        )


def _count_column(table_column: Column) -> ProgressColumn:
    """``1,200/3,000``"""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: RichProgressTask) -> Text:
            of = "?" if task.total is None else f"{task.total:,.0f}"
            return Text(f"{task.completed:,.0f}/{of}".rjust(2 * len(of) + 1), style="progress.download")

    return Count(table_column)


def _details_column() -> ProgressColumn:
    """One line of details, cut off where the terminal ends."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Details(ProgressColumn):
        def render(self, task: RichProgressTask) -> Text:
            return Text(task.fields["details"], no_wrap=True, overflow="ellipsis")

    return Details()


class _RichTask:
    def __init__(self, reporter: RichReporter, description: str, total: int | None, unit: str, done: int) -> None:
        self._reporter = reporter
        self._description = description
        self._total = total
        self._unit = unit
        self._done = done
        self._figures: dict[str, float | str] = {}
        self._progress: Progress | None = None
        self._id: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress = self._reporter.begin()
        self._id = self._progress.add_task(self._description, total=self._total, completed=self._done, details="")
        return self

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        if self._progress is None or self._id is None:
            return
        self._figures.update(figures)
        task = self._progress.tasks[self._progress.task_ids.index(self._id)]
        rate = [show_rate(task.speed, self._unit)] if task.speed else []
        self._progress.update(self._id, advance=amount, details=", ".join([*figure_texts(self._figures), *rate]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reporter.end()


def show_rate(rate: float, unit: str) -> str:
    """``12.3 steps/s``, or ``1.9 s/step`` where one takes longer than a second."""
    if rate < 1:
        return f"{1 / rate:.3g} s/{unit}"
    return f"{rate:,.0f} {plural(unit, 2)}/s" if rate >= 100 else f"{rate:.3g} {plural(unit, 2)}/s"


def figure_texts(figures: dict[str, float | str]) -> list[str]:
    """``loss 1.234`` for each number; a string says itself what it is."""
    return [_figure_text(name, value) for name, value in figures.items()]


def _figure_text(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value:,}"
