"""Segments: a document is a set of them; core alone puts them in order and turns them into ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Role = Literal["condition", "target"]


@dataclass(frozen=True, slots=True)
class EncodedSegment:
    """A run of one modality's content, in its codec's own ids.

    Attributes:
        modality: Registered name; ``text`` for captions and prompts.
        role: A condition is given, a target is learned and generated.
        tokens: Ids in the codec's own space, of any integer type.
    """

    modality: str
    role: Role
    tokens: npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """A document as the model sees it.

    Attributes:
        ids: int64, shape ``(length,)``.
        learned: bool, same shape: whether the loss counts the prediction *of* this id.
    """

    ids: npt.NDArray[np.int64]
    learned: npt.NDArray[np.bool_]


class SequenceBuilder(Protocol):
    """The one function that orders segments and turns them into ids: for training, prompts and the guidance twin."""

    def closed(self, segments: Sequence[EncodedSegment], start: int = 0, end: int | None = None) -> TokenSequence:
        """A complete document, with its end; or what of it lies between two positions."""

    def open(self, segments: Sequence[EncodedSegment], target: str) -> TokenSequence:
        """A prompt: ends where the next id of modality ``target`` is to be drawn."""

    def block(self, modality: str) -> tuple[int, int]:
        """``(offset, size)`` of a modality's ids."""

    @property
    def end_id(self) -> int:
        """The id that ends a document."""
