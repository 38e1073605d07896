"""Texts that are nearly the same: MinHash nominates, the shingles themselves decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rensa import RMinHash  # type: ignore[import-untyped]

import weft
from weft_text.shingles import Shingles, scramble, shingle, shingle_set

WORDS = 3
"""In a shingle. Of 2 words templates look alike, of 5 a copy with a tenth of its words replaced looks new."""

BANDS, ROWS = 32, 4
"""Two texts of similarity s have a key in common with probability 1 - (1 - s**ROWS)**BANDS: 0.02 at 0.15, 0.87 at
0.5, 0.99 at 0.6."""

_SEED = 1
_SLACK = 0.2
"""How far below the truth the similarity of two sketches may be: five standard errors of 128 bytes."""

_BATCH = 1 << 17
"""Characters that are shingled at once: few enough to stay in the processor's cache."""


class SimilarTexts(weft.NearDuplicates[str]):
    """The longest of several texts is kept whose shingles of three words overlap by so much.

    MinHash: Broder, "On the resemblance and containment of documents" (1997). Bands: Indyk and Motwani, "Approximate
    nearest neighbors" (1998).

    Args:
        similarity: Shingles that two texts have in common over those that one of them has (the Jaccard index), above 0
            and at most 1.
    """

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity

    def sign(self, payloads: Sequence[str]) -> list[weft.Signature]:
        """32 keys, each of 4 minima; the sketch is a byte of each of the 128 minima, in 16 words."""
        return [signature for batch in _batches(payloads) for signature in _sign(shingle(batch, WORDS))]

    def close(self, sketch: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Whether the similarity that the sketches tell is not far below what is needed."""
        mine, theirs = sketch.view(np.uint8), np.ascontiguousarray(others).view(np.uint8)
        near: npt.NDArray[np.bool_] = (mine == theirs).mean(axis=1) >= self._similarity - _SLACK
        return near

    def same(self, a: str, b: str) -> bool:
        """Whether the similarity is reached; texts without a single word are never the same."""
        mine, theirs = _shingle_set(a), _shingle_set(b)
        common = len(mine & theirs)
        return common > 0 and common >= self._similarity * (len(mine) + len(theirs) - common)

    def rank(self, sample: weft.Sample[str]) -> float:
        """Its length."""
        return float(len(sample.payload))


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for end, text in enumerate(texts):
        if size and size + len(text) > _BATCH:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]


def _sign(shingles: Shingles) -> Iterator[weft.Signature]:
    minima = RMinHash.digest_matrix_from_flat_token_hashes(shingles.hashes, shingles.offsets, BANDS * ROWS, _SEED)
    table = np.array(minima.to_rows(), dtype=np.uint32).reshape(-1, BANDS, ROWS)
    sketches = np.ascontiguousarray((table & 0xFF).astype(np.uint8).reshape(len(table), -1)).view(np.uint64)
    pairs = np.ascontiguousarray(table).view(np.uint64)
    keys = scramble(scramble(pairs[:, :, 0]) + pairs[:, :, 1]) ^ _band_marks()
    blank = np.diff(shingles.offsets) == 0
    nothing = np.empty(0, dtype=np.uint64)
    for row, sketch in enumerate(sketches):
        yield weft.Signature(keys=nothing if blank[row] else keys[row], sketch=sketch)


@lru_cache(maxsize=1)
def _band_marks() -> npt.NDArray[np.uint64]:
    """A number for each band, so that equal minima in different bands are no common key."""
    return scramble(np.arange(1, BANDS + 1, dtype=np.uint64))


@lru_cache(maxsize=64)
def _shingle_set(text: str) -> frozenset[tuple[str, ...]]:
    """Kept for a while: what one sample is compared with, another may be too."""
    return shingle_set(text, WORDS)
