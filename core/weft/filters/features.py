"""What a fitted filter sees of a text: its words, and runs of letters within them, hashed into buckets.

Runs of letters let it know disguised and inflected forms of what it has seen (fastText's subword n-grams; Bojanowski et
al., 2017, "Enriching Word Vectors with Subword Information"), and hashing needs no vocabulary (Weinberger et al., 2009,
"Feature Hashing for Large Scale Multitask Learning").
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.filters.spelling import fold

BUCKETS = 1 << 18

_SHORTEST, _LONGEST = 2, 5
_MOST_LETTERS = 64
_DIGITS = str.maketrans("123456789", "000000000")
_PUNCTUATION = ".,;:!?()[]{}\"'\u201c\u201d\u2018\u2026*_-~`|<>/\\"


def words_of(text: str) -> set[str]:
    """The different words of a text, folded, without handles, links and masks (``@name``, ``<url>``): they say who is
    meant, not what is said."""
    return {word for word in fold(text).split() if not _is_reference(word)}


def _is_reference(word: str) -> bool:
    return (word[0] == "@" and len(word) > 3) or "://" in word or (word[0] == "<" and word[-1] == ">")


def bare(word: str) -> str:
    """A word of :func:`words_of` without the punctuation around it."""
    return word.strip(_PUNCTUATION)


def buckets_of(word: str) -> Counter[int]:
    """How often each bucket is hit by a word of :func:`words_of`."""
    plain = word[:_MOST_LETTERS].translate(_DIGITS)
    padded = f" {plain} "
    parts = [
        padded[start : start + length]
        for length in range(_SHORTEST, _LONGEST + 1)
        for start in range(len(padded) - length + 1)
    ]
    parts.append(f"={bare(plain)}")
    return Counter(zlib.crc32(part.encode("utf-8", "replace")) % BUCKETS for part in parts)


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix, a row a text.

    Attributes:
        row: Of each entry, ascending, ``int64`` of shape ``(entries,)``.
        column: Of each entry: its bucket.
        value: Of each entry, ``float64``.
        count: Rows.
    """

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    count: int

    def take(self, rows: npt.NDArray[np.int64]) -> Rows:
        """Some of the rows, in ascending order of the old."""
        new = np.full(self.count, -1, dtype=np.int64)
        new[np.sort(rows)] = np.arange(len(rows))
        kept = new[self.row] >= 0
        return Rows(new[self.row[kept]], self.column[kept], self.value[kept], len(rows))

    def times(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The product with a vector of shape ``(columns,)``."""
        return np.bincount(self.row, self.value * weights[self.column], minlength=self.count).astype(np.float64)

    def transposed_times(self, vector: npt.NDArray[np.float64], columns: int) -> npt.NDArray[np.float64]:
        """The product of the transposed matrix with a vector of shape ``(rows,)``."""
        return np.bincount(self.column, self.value * vector[self.row], minlength=columns).astype(np.float64)


def rarity(texts: Iterable[str]) -> npt.NDArray[np.float64]:
    """The inverse document frequency of each bucket, of shape ``(BUCKETS,)``.

    A bucket that fewer than two texts hit has that of one which none does: a text of another kind than those learned
    from is mostly made of such, and scores near the bias.
    """
    seen = np.zeros(BUCKETS, dtype=np.int64)
    count = 0
    for text in texts:
        found: set[int] = set()
        for word in words_of(text):
            found.update(buckets_of(word))
        seen[list(found)] += 1
        count += 1
    return np.log((1 + count) / (1 + np.where(seen >= 2, seen, 0))) + 1


def rows_of(texts: Sequence[str], idf: npt.NDArray[np.float64]) -> Rows:
    """A row for each text: the sum of the vectors of its words, over the root of the sum of their squared lengths."""
    columns: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.float64]] = []
    for text in texts:
        total: Counter[int] = Counter()
        square = 0.0
        for word in sorted(words_of(text)):
            hits = buckets_of(word)
            total.update(hits)
            square += length_of(hits, idf)
        column = np.array(sorted(total), dtype=np.int64)
        columns.append(column)
        values.append(np.array([total[each] for each in column.tolist()]) * idf[column] / (square**0.5 or 1.0))
    sizes = [len(column) for column in columns]
    row = np.repeat(np.arange(len(texts), dtype=np.int64), sizes)
    return Rows(row, np.concatenate(columns), np.concatenate(values), len(texts))


def length_of(hits: Counter[int], idf: npt.NDArray[np.float64]) -> float:
    """The squared length of a word's vector."""
    column = np.fromiter(hits, dtype=np.int64)
    return float(np.sum((np.fromiter(hits.values(), dtype=np.float64) * idf[column]) ** 2))
