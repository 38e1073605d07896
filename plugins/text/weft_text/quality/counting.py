"""Words, lines and sentences as the heuristics count them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

from weft_text.shingles import UNSPACED

_SENTENCE_END = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*(?=\s|$)|[。！？]")
_UNSPACED_SHARE = 0.3


@lru_cache(maxsize=4)
def words_of(text: str) -> Sequence[str]:
    """What white space parts, signs and all; none for writing without spaces, of which words say nothing."""
    return () if _is_unspaced(text) else tuple(text.split())


@lru_cache(maxsize=4)
def lines_of(text: str) -> Sequence[str]:
    """Lines that are not blank, without the white space at their ends."""
    return tuple(stripped for line in text.split("\n") if (stripped := line.strip()))


def sentences(text: str) -> int:
    """How many sentences end in it."""
    return len(_SENTENCE_END.findall(text))


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def repeated(parts: Iterable[Hashable]) -> list[Hashable]:
    """Each part that was there before, as often as it comes again."""
    seen: set[Hashable] = set()
    again = []
    for part in parts:
        if part in seen:
            again.append(part)
        seen.add(part)
    return again


def most_common(parts: Iterable[str]) -> tuple[str, int]:
    """The part that comes most often, and how often; nothing where no part comes twice."""
    found = Counter(parts).most_common(1)
    return found[0] if found and found[0][1] > 1 else ("", 0)


def _is_unspaced(text: str) -> bool:
    return not text.isascii() and len(UNSPACED.findall(text)) > _UNSPACED_SHARE * len("".join(text.split()))
