"""Rows with a label in front, as summaries have them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 110
LABEL = 10


def aligned(rows: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Each label beside its lines, which are wrapped where they are too long for a terminal."""
    for label, lines in rows:
        for number, line in enumerate(lines):
            # What is copied from a terminal (names, options, hashes) stays in one piece.
            yield from textwrap.wrap(
                line,
                WIDTH,
                initial_indent=f"  {label if number == 0 else '':<{LABEL}}",
                subsequent_indent=" " * (LABEL + 4),
                break_long_words=False,
                break_on_hyphens=False,
            )
