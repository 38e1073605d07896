"""Where to cut a text in two, so that its end can be held out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD_START = re.compile(r"(?<=\s)\S")
_LINE_START = re.compile(r"(?<=\n)")


def divide_text(text: str, fraction: float) -> tuple[str, str] | None:
    """Cut off about the last ``fraction`` of the characters: at the line break nearest to there, or the nearest
    beginning of a word where no line break is near, or between any two characters in writing without spaces.

    Returns:
        Both parts, which put together are the text; ``None`` if one of them would be blank.
    """
    size = round(len(text) * fraction)
    wanted = len(text) - size
    # Within half of what is held out, so that the end is neither much more nor much less than was asked for.
    low, high = max(0, wanted - size // 2), min(len(text), wanted + size // 2)
    lines = (match.start() for match in _LINE_START.finditer(text, low, high))
    words = (match.start() for match in _WORD_START.finditer(text, low, high))
    cut = _nearest(lines, wanted)
    if cut is None:
        cut = _nearest(words, wanted)
    if cut is None:
        cut = _whole_character(text, wanted)
    head, tail = text[:cut], text[cut:]
    return (head, tail) if head.strip() and tail.strip() else None


def _nearest(places: Iterable[int], wanted: int) -> int | None:
    return min(places, key=lambda place: abs(place - wanted), default=None)


def _whole_character(text: str, place: int) -> int:
    """The next place that does not part a letter from its marks."""
    while place < len(text) and unicodedata.combining(text[place]):
        place += 1
    return place
