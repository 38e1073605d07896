"""Word n-grams as numbers: what near-duplicates are compared by.

Broder, "On the resemblance and containment of documents" (1997), calls them shingles.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"[^\W_]+")

# Thai, Lao, Burmese and Khmer, kana and Han: each character counts as a word where no spaces part them.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)

# An odd number has an inverse modulo 2**64, so that a prefix can be taken off a hash again.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)

_COMMON = 1 << 19
"""So many powers are kept, enough for any batch but one of a single very long text."""

_SPACE, _END = b" ", b"\n"


@dataclass(frozen=True, slots=True)
class Shingles:
    """Shingles of several texts.

    Attributes:
        hashes: ``uint64``, those of the first text, then those of the second, and so on; a shingle that a text has
            twice is there twice.
        offsets: ``int64`` of shape ``(texts + 1,)``: those of text ``i`` are ``hashes[offsets[i]:offsets[i + 1]]``.
    """

    hashes: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]


def plain_words(text: str) -> list[str]:
    """The words of a text without case, punctuation and white space; NFKC, so that equal-looking ones are equal."""
    if not text.isascii():
        text = UNSPACED.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))
    return _WORD.findall(text.casefold())


def shingle(texts: Sequence[str], words: int) -> Shingles:
    """Hashes of every run of so many words; a text of fewer has one shingle, of all its words, and one without a word
    has none.

    Shingles are hashed by polynomials over their bytes (Karp and Rabin, 1987), all of them at once: that of a run is
    the difference of two prefix sums.
    """
    lines = [" ".join(plain_words(text)).encode("utf-8") for text in texts]
    data = np.frombuffer(_END + _END.join(lines) + _END, dtype=np.uint8)
    gaps = data <= _SPACE[0]
    starts = np.flatnonzero(gaps[:-1] & ~gaps[1:]) + 1
    ends = np.flatnonzero(~gaps[:-1] & gaps[1:]) + 1
    counts = np.array([line.count(_SPACE) + 1 if line else 0 for line in lines], dtype=np.int64)
    sizes = np.where(counts, np.maximum(counts - words, 0) + 1, 0)
    firsts = _spans(np.cumsum(counts) - counts, sizes)
    lasts = firsts + np.repeat(np.minimum(counts, words) - 1, sizes)
    prefix = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(data * _powers(_BASE, len(data)), out=prefix[1:])
    begins = starts[firsts]
    hashes = (prefix[ends[lasts]] - prefix[begins]) * _powers(_INVERSE, len(data))[begins]
    return Shingles(scramble(hashes), np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))


def shingle_set(text: str, words: int) -> frozenset[tuple[str, ...]]:
    """What :func:`shingle` gives hashes of, for one text, as the words themselves."""
    found = plain_words(text)
    if not found:
        return frozenset()
    size = min(words, len(found))
    return frozenset(zip(*(found[start : len(found) - size + 1 + start] for start in range(size)), strict=True))


def scramble(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread 64-bit values evenly, one to one (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    return _common_powers(base)[:count] if count <= _COMMON else _count_powers(base, count)


@cache
def _common_powers(base: int) -> npt.NDArray[np.uint64]:
    return _count_powers(base, _COMMON)


def _count_powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _spans(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """``start, start + 1, ...`` for each start, as many as its size."""
    before = np.cumsum(sizes) - sizes
    places: npt.NDArray[np.int64] = np.arange(sizes.sum(), dtype=np.int64) + np.repeat(starts - before, sizes)
    return places
