"""How long work tells what it is doing. Library code reports; only the command line prints."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Task(Protocol):
    """One piece of long work."""

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        """So much more is done; ``figures`` replace those of the same name shown before: numbers (``loss=1.23``), or
        strings that say what they are (``speed="81.4k tokens/s"``)."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Reporter(Protocol):
    """Where progress and remarks go."""

    def task(self, description: str, total: int | None, unit: str, done: int = 0) -> Task:
        """Begin a piece of work of ``total`` units (``None``: unknown), or go on with one after ``done`` of them."""

    def note(self, message: str) -> None:
        """A remark worth a line: a derived default, a held-out loss."""

    def warn(self, message: str) -> None:
        """Something the user should act on."""


class _SilentTask:
    def advance(self, amount: int = 1, **figures: float | str) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Silent:
    """The reporter that says nothing: the default of the Python API."""

    def task(self, description: str, total: int | None, unit: str, done: int = 0) -> Task:
        return _SilentTask()

    def note(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass
