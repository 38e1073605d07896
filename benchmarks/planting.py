"""What benchmarks with planted truth share: a table of what was reached beside what has to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """How well a set of things was found.

    Attributes:
        right: Wanted and found.
        wanted: How many there are to find.
        found: How many were found, wrongly or not.
    """

    right: int
    wanted: int
    found: int

    @classmethod
    def of(cls, wanted: Set[str], found: Set[str]) -> Found:
        return cls(len(wanted & found), len(wanted), len(found))

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that has to be reached.

    Attributes:
        what: In words.
        reached: What was measured.
        limit: What it has to be, at least or at most.
        at_most: Whether less is better.
    """

    what: str
    reached: float
    limit: float
    at_most: bool = False

    @property
    def kept(self) -> bool:
        return self.reached <= self.limit if self.at_most else self.reached >= self.limit


def print_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they have to be; numbers with three decimals stand at the right."""
    cells = [list(heading), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    for row in cells:
        first, *rest = (
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())


def report(targets: Sequence[Target]) -> bool:
    """Print each target; whether all are reached."""
    for target in targets:
        sign = "at most" if target.at_most else "at least"
        print(f"{target.what} {target.reached:.3f}  {sign} {target.limit:g}: {'kept' if target.kept else 'MISSED'}")
    return all(target.kept for target in targets)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
