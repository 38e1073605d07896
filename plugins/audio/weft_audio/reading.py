"""Audio files to pieces of sound: what is opened, how far its header is trusted, and where it is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

import weft
from weft_audio.waveform import Waveform

_BLOCK = 1 << 18
"""Samples of all channels that are decoded at once: what a header claims allocates no memory."""

Cut = Literal["evenly", "fully", "never"]
"""Into pieces of equal length, where a header tells the truth; into the longest pieces and what is left at the end; or
not at all: of one that is too long there is only a first piece, which is longer than the longest."""

_ROUNDING = 1e-6
_UNKNOWN = 2**62
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 1_000_000
"""What is outside is no recording of sound, and brought to a usual rate would be out of all proportion."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before anything is decoded.

    Attributes:
        rate: Samples a second.
        seconds: Duration.
    """

    rate: int
    seconds: float


def read_header(item: weft.Item) -> Header | None:
    """The header of an item; ``None`` where it is no audio, has nothing in it, or does not know how much."""
    try:
        with _opened(item) as file:
            return Header(file.samplerate, file.frames / file.samplerate) if 0 < file.frames < _UNKNOWN else None
    except Exception:  # Whatever is wrong with it is told when the item is read.
        return None


def read_pieces(item: weft.Item, seconds: float, cut: Cut) -> Iterator[Waveform]:
    """The sound of an item in one channel, the mean of its channels, at its own rate.

    One that is longer than ``seconds`` comes in consecutive pieces, which put together are the whole. Memory is bounded
    by the length of a piece.

    Args:
        item: Its content decides what it is, whatever the name says.
        seconds: Longest piece.
        cut: Where; see :data:`Cut`.

    Raises:
        weft.UnreadableError: It is no audio, is damaged, or claims an impossible rate.
    """
    with _opened(item) as file:
        most = max(1, int(seconds * file.samplerate + _ROUNDING))
        if cut == "never":
            yield Waveform(_decode(file, most + 1), file.samplerate)
            return
        size = _equal_part(file.frames, most) if cut == "evenly" else most
        while len(samples := _decode(file, size)):
            yield Waveform(samples, file.samplerate)


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end.

    soundfile seeks after every read where it can, and libsndfile cannot do that in FLAC of unknown length, which
    encoders make that write into a pipe.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(item: weft.Item) -> Iterator[_Stream]:
    with item.open() as raw:
        try:
            file = _Stream(raw)
        except soundfile.LibsndfileError as error:
            raise weft.UnreadableError(f"its content is no audio that can be decoded: {error.error_string}") from error
        with file:
            if not _LOWEST_RATE <= file.samplerate <= _HIGHEST_RATE:
                raise weft.UnreadableError(f"its header claims {file.samplerate:,} samples a second; is it damaged?")
            yield file


def _equal_part(length: int, most: int) -> int:
    """Size of the fewest equal parts of at most ``most``; a length that nobody knows is 0 or more than any file."""
    # What is thought to fit is not held to its length, which compressed files only estimate.
    return most if length <= most else -(-length // -(-length // most))


def _decode(file: _Stream, count: int) -> npt.NDArray[np.float32]:
    """The next frames, at most ``count``, as the mean of their channels."""
    step = max(1, _BLOCK // file.channels)
    parts: list[npt.NDArray[np.float32]] = []
    while count > 0:
        try:
            block = file.read(min(step, count), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise weft.UnreadableError(f"it cannot be decoded to its end: {error.error_string}") from error
        if not len(block):
            break
        parts.append(block[:, 0] if file.channels == 1 else block.mean(axis=1, dtype=np.float64).astype(np.float32))
        count -= len(block)
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
