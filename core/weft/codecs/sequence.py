"""From segments to ids: the one function for training, prompts and the guidance twin.

A document is, for each condition and then the target, the marker of its modality and its ids; then the end. Without its
conditions it is what an unconditional document looks like, so dropping them in training teaches exactly the prefix that
classifier-free guidance needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.segments import EncodedSegment, TokenSequence


class Sequences:
    """Implements :class:`weft.interfaces.segments.SequenceBuilder` for a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def closed(self, segments: Sequence[EncodedSegment]) -> TokenSequence:
        return self._build(segments, [self.end_id])

    def open(self, segments: Sequence[EncodedSegment], target: str) -> TokenSequence:
        begun = any(s.role == "target" and s.modality == target for s in segments)
        return self._build(segments, [] if begun else [self._vocabulary.marker_id(target)])

    def block(self, modality: str) -> tuple[int, int]:
        return self._vocabulary.block(modality)

    @property
    def end_id(self) -> int:
        return self._vocabulary.end_id

    def _build(self, segments: Sequence[EncodedSegment], tail: Sequence[int]) -> TokenSequence:
        ids: list[np.ndarray] = []
        learned: list[np.ndarray] = []
        for segment in sorted(segments, key=lambda s: s.role == "target"):
            offset, _ = self._vocabulary.block(segment.modality)
            ids += [np.array([self._vocabulary.marker_id(segment.modality)]), segment.tokens.astype(np.int64) + offset]
            learned += [np.array([False]), np.full(len(segment.tokens), segment.role == "target")]
        ids.append(np.array(tail, dtype=np.int64))
        learned.append(np.full(len(tail), True))
        return TokenSequence(np.concatenate(ids).astype(np.int64), np.concatenate(learned).astype(np.bool_))
