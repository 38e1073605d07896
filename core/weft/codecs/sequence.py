"""From segments to ids: the one function for training, prompts and the guidance twin.

A document is, for each condition and then the target, the marker of its modality and its ids; then the end. Without its
conditions it is what an unconditional document looks like, so dropping them in training teaches exactly the prefix that
classifier-free guidance needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.segments import EncodedSegment, TokenSequence


class Sequences:
    """Implements :class:`weft.interfaces.segments.SequenceBuilder` for a vocabulary.

    Args:
        vocabulary: The run's id space.
        learn_conditions: Whether conditions are learned too, and not only what follows from them. Markers never are:
            nobody has to guess what is asked for.
    """

    def __init__(self, vocabulary: Vocabulary, *, learn_conditions: bool = False) -> None:
        self._vocabulary = vocabulary
        self._learn_conditions = learn_conditions

    def closed(self, segments: Sequence[EncodedSegment], start: int = 0, end: int | None = None) -> TokenSequence:
        return _window([*self._pieces(segments), _Piece(_one(self.end_id), 0, learned=True)], start, end)

    def open(self, segments: Sequence[EncodedSegment], target: str) -> TokenSequence:
        begun = any(s.role == "target" and s.modality == target for s in segments)
        tail = [] if begun else [_Piece(_one(self._vocabulary.marker_id(target)), 0, learned=True)]
        return _window([*self._pieces(segments), *tail], 0, None)

    def block(self, modality: str) -> tuple[int, int]:
        return self._vocabulary.block(modality)

    @property
    def end_id(self) -> int:
        return self._vocabulary.end_id

    def _pieces(self, segments: Sequence[EncodedSegment]) -> Iterator[_Piece]:
        for segment in sorted(segments, key=lambda s: s.role == "target"):
            offset, _ = self._vocabulary.block(segment.modality)
            yield _Piece(_one(self._vocabulary.marker_id(segment.modality)), 0, learned=False)
            learned = self._learn_conditions or segment.role == "target"
            yield _Piece(segment.tokens, offset, learned=learned)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Consecutive ids of a document: ``tokens + offset``."""

    tokens: npt.NDArray[np.integer[Any]]
    offset: int
    learned: bool


def _one(token: int) -> npt.NDArray[np.int64]:
    return np.array([token], dtype=np.int64)


def _window(pieces: Sequence[_Piece], start: int, end: int | None) -> TokenSequence:
    """What lies between two positions; of a long piece nothing else is read or copied."""
    ids: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    learned: list[npt.NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    position = 0
    for piece in pieces:
        low = max(start - position, 0)
        high = len(piece.tokens) if end is None else min(end - position, len(piece.tokens))
        if low < high:
            ids.append(piece.tokens[low:high].astype(np.int64) + piece.offset)
            learned.append(np.full(high - low, piece.learned))
        position += len(piece.tokens)
    return TokenSequence(np.concatenate(ids), np.concatenate(learned))
