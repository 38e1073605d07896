"""How long work tells what it is doing. Library code reports; only the command line prints."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Task(Protocol):
    """One piece of long work."""

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        """So much more is done; ``figures`` (``loss=1.23``) replace those shown before."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Reporter(Protocol):
    """Where progress and remarks go."""

    def task(self, description: str, total: int | None, unit: str) -> Task:
        """Begin a piece of work of ``total`` units (``None``: unknown)."""

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

    def task(self, description: str, total: int | None, unit: str) -> Task:
        return _SilentTask()

    def note(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass
