"""Audio files to pieces of sound: what is opened, how far its header is trusted, and where it is cut."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

import weft
from weft_audio.options import Channels
from weft_audio.waveform import Waveform

Samples = npt.NDArray[np.float32]

_BLOCK = 1 << 18
"""Samples of all channels that are decoded at once: what a header claims allocates no memory."""
_MORE = 64
"""Frames that a file may have beyond its header for it to be read at once."""

Cut = Literal["evenly", "fully", "quietly", "never"]
"""Into pieces of equal length, where a header tells the truth; into the longest pieces and what is left at the end;
where it is quietest in the second half of the longest piece; or not at all: of one that is too long there is only a
first piece, which is longer than the longest."""

_QUIET_SECONDS = 0.05
"""How long it has to be quiet for a cut."""
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


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples of a recording.

    Attributes:
        sounds: One, or one for each channel; as long as each other.
        channels: Of the recording.
    """

    sounds: Sequence[Waveform]
    channels: int


def read_pieces(
    item: weft.Item, seconds: float, cut: Cut, channels: Channels = "mix", limit: float | None = None
) -> Iterator[Piece]:
    """The sound of an item at its own rate.

    One that is longer than ``seconds`` comes in consecutive pieces, which put together are the whole. Memory is bounded
    by the length of a piece.

    Args:
        item: Its content decides what it is, whatever the name says.
        seconds: Longest piece.
        cut: Where; see :data:`Cut`.
        channels: What becomes of several; see :data:`Channels`.
        limit: Seconds that it may claim to last, or turn out to.

    Raises:
        weft.UnreadableError: It is no audio, is damaged, claims an impossible rate, or is longer than the limit.
    """
    with _opened(item) as file:
        _check_length(file, limit)
        most = max(1, int(seconds * file.samplerate + _ROUNDING))
        done = 0
        for part in _cut(file, most, cut, channels):
            done += part.shape[1]
            if limit is not None and done > limit * file.samplerate:
                raise weft.UnreadableError(_too_long("it lasts longer", limit))
            yield Piece([Waveform(row, file.samplerate) for row in part], file.channels)


def _check_length(file: _Stream, limit: float | None) -> None:
    if limit is not None and limit * file.samplerate < file.frames < _UNKNOWN:
        raise weft.UnreadableError(
            _too_long(f"it claims to last {file.frames / file.samplerate:,.0f} s, longer", limit)
        )


def _too_long(what: str, limit: float) -> str:
    return f"{what} than audio.max_seconds = {limit:g}; raise that if it is meant to"


def _cut(file: _Stream, most: int, cut: Cut, channels: Channels) -> Iterator[Samples]:
    if cut == "never":
        yield _decode(file, most + 1, channels)
    elif cut == "quietly":
        yield from _cut_quietly(file, most, channels)
    else:
        size = _equal_part(file.frames, most) if cut == "evenly" else most
        while (part := _decode(file, size, channels)).shape[1]:
            yield part


def _cut_quietly(file: _Stream, most: int, channels: Channels) -> Iterator[Samples]:
    held = _decode(file, most + 1, channels)
    while held.shape[1] > most:
        place = _quietest(held, -(-most // 2), most, max(1, round(_QUIET_SECONDS * file.samplerate)))
        yield np.ascontiguousarray(held[:, :place])
        held = np.concatenate([held[:, place:], _decode(file, place, channels)], axis=1)
    if held.shape[1]:
        yield held


def _quietest(samples: Samples, first: int, last: int, width: int) -> int:
    """The place, of those from ``first`` to ``last``, around which there is least energy; of equals the last."""
    sums = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64).sum(axis=0))])
    places = np.arange(first, last + 1)
    ends = np.minimum(places + width // 2 + 1, samples.shape[1])
    energy = sums[ends] - sums[np.maximum(places - width // 2, 0)]
    return int(places[::-1][energy[::-1].argmin()])


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end.

    soundfile seeks after every read where it can, and libsndfile cannot do that in FLAC of unknown length, which
    encoders make that write into a pipe.
    """

    decoded = 0
    """Frames so far."""
    ended = False

    def seekable(self) -> bool:
        return False

    def next_block(self, most: int) -> Samples:
        """Some of the next frames, ``(frames, channels)``: none only at the end."""
        if self.ended:
            return np.empty((0, self.channels), np.float32)
        # Hardly more than the header promises is made room for; to be given less than was asked for is the end.
        left = self.frames - self.decoded
        room = max(1, min(left + _MORE if left > 0 else _BLOCK, _BLOCK // self.channels, most))
        block = np.empty((room, self.channels), np.float32)
        count = self.buffer_read_into(block, dtype="float32")
        self.decoded += count
        self.ended = count < room
        return block[:count]


@contextmanager
def _opened(item: weft.Item) -> Iterator[_Stream]:
    with item.open() as raw:
        try:
            file = _Stream(_direct(raw), closefd=False)
        except soundfile.LibsndfileError as error:
            raise weft.UnreadableError(f"its content is no audio that can be decoded: {error.error_string}") from error
        with file:
            if not _LOWEST_RATE <= file.samplerate <= _HIGHEST_RATE:
                raise weft.UnreadableError(f"its header claims {file.samplerate:,} samples a second; is it damaged?")
            yield file


def _direct(raw: BinaryIO) -> BinaryIO | int:
    """The descriptor of a plain file, which libsndfile reads without asking Python for each part."""
    plain = isinstance(raw, io.BufferedReader) and isinstance(raw.raw, io.FileIO)
    return raw.fileno() if plain else raw


def _equal_part(length: int, most: int) -> int:
    """Size of the fewest equal parts of at most ``most``; a length that nobody knows is 0 or more than any file."""
    # What is thought to fit is not held to its length, which compressed files only estimate.
    return most if length <= most else -(-length // -(-length // most))


def _decode(file: _Stream, count: int, channels: Channels) -> Samples:
    """The next frames, at most ``count``, as ``(sounds, frames)``."""
    parts: list[Samples] = []
    while count > 0:
        try:
            block = file.next_block(count)
        except soundfile.LibsndfileError as error:
            raise weft.UnreadableError(f"it cannot be decoded to its end: {error.error_string}") from error
        if not len(block):
            break
        parts.append(_pick(block, channels))
        count -= len(block)
    if not parts:
        return np.empty((1, 0), np.float32)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _pick(block: Samples, channels: Channels) -> Samples:
    """``(frames, channels)`` to ``(sounds, frames)``."""
    count = block.shape[1]
    if count == 1 or channels == "each":
        return np.ascontiguousarray(block.T)
    if channels == "mix":
        mixed: Samples = block.mean(axis=1, dtype=np.float64).astype(np.float32)[None]
        return mixed
    return np.ascontiguousarray(block[:, 1 if channels == "right" else 0][None])
