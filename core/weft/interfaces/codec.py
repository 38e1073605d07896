"""Payloads to token ids and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Self

import numpy as np
import numpy.typing as npt

from weft.interfaces.samples import P

Tokens = npt.NDArray[np.int32]
"""Token ids of one payload in the codec's own space, shape ``(length,)``."""


@dataclass(frozen=True, slots=True)
class CodecFacts:
    """What generation and the corpus page need to know of a codec.

    Attributes:
        pattern: Which ids may stand where: the id at position ``t`` lies in the half-open range
            ``pattern[t % len(pattern)]``. A text codec has one range; an image codec of 8 x 8 codes has one range a
            token; an audio codec with two codebooks a frame has two.
        unit: A payload's length is a multiple of this many tokens (a frame, say); a sequence may end only there.
        length: The exact number of tokens of every payload, where all have the same; else ``None``.
        tokens_per_second: For content with a duration; else ``None``.
        grid: ``(rows, columns)`` of codes of one image; else ``None``.
        bytes_per_token: UTF-8 bytes of every id, for bits per byte; ``None`` for all but text.
    """

    pattern: tuple[tuple[int, int], ...]
    unit: int = 1
    length: int | None = None
    tokens_per_second: float | None = None
    grid: tuple[int, int] | None = None
    bytes_per_token: tuple[int, ...] | None = None


class Codec(ABC, Generic[P]):
    """Payloads of one modality to sequences of discrete tokens, and back.

    A codec is stored by its registered name and identified by a hash of the files that :meth:`save` writes; those may
    be JSON, safetensors or ``.npy`` only, and must be the same bytes for equal codecs.
    """

    name: ClassVar[str]

    batch: ClassVar[int] = 64
    """Payloads that core encodes at once: fixed, and cut by index, so that tokens never depend on how the work is done.
    A codec that works on them one by one may ask for more."""
    """The name it is registered under: the key of ``Modality.codecs``."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids; they are ``0 .. vocab_size - 1``."""

    @abstractmethod
    def encode(self, payloads: Sequence[P]) -> list[Tokens]:
        """Token ids of each cleaned payload. The result of one payload does not depend on its neighbors."""

    @abstractmethod
    def decode(self, ids: Sequence[Tokens]) -> list[P]:
        """A payload for each sequence of ids. Any ids that follow ``facts().pattern`` decode."""

    @abstractmethod
    def facts(self) -> CodecFacts: ...

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that :meth:`load` needs into an existing, empty folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self: ...
