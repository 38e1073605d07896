"""Large files of lines cut into pieces, so that several processes read them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import weft
from weft_text.decoding import MARK_BYTES, encoding_of

PORTION_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class LineRange:
    """Opens a part of a file that begins and ends with whole lines.

    Attributes:
        whole: Opens the file.
        start: First byte.
        size: In bytes.
        first_line: Number of its first line, counted from 1.
    """

    whole: Callable[[], BinaryIO]
    start: int
    size: int
    first_line: int

    def __call__(self) -> BinaryIO:
        file = self.whole()
        file.seek(self.start)
        return io.BufferedReader(_Limited(file, self.size))


class _Limited(io.RawIOBase):
    """The next so many bytes of a file; closing it closes the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def first_line_of(item: weft.Item) -> int:
    """The number of the first line that an item offers."""
    return item.open.first_line if isinstance(item.open, LineRange) else 1


def cut_lines(item: weft.Item, size: int = PORTION_BYTES) -> Sequence[weft.Item]:
    """Pieces of about ``size`` bytes, cut behind line breaks.

    Only a file on disk is cut: anywhere else (a member of an archive, a server) going to a place may mean to read all
    that is before it. UTF-16 and UTF-32, in which the byte of a line break may be half of a letter, stay whole too.
    """
    if item.size <= size:
        return (item,)
    try:
        with item.open() as file:
            if not _is_on_disk(file) or not encoding_of(file.read(MARK_BYTES)).startswith("utf-8"):
                return (item,)
            file.seek(0)
            return [dataclasses.replace(item, open=part, size=part.size) for part in _ranges(item.open, file, size)]
    except OSError:
        return (item,)  # reading it will say what is wrong


def _is_on_disk(file: BinaryIO) -> bool:
    return isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO)


def _ranges(whole: Callable[[], BinaryIO], file: BinaryIO, size: int) -> Iterator[LineRange]:
    start, line = 0, 1
    while block := file.read(size):
        block += file.readline()
        yield LineRange(whole, start, len(block), line)
        start += len(block)
        line += block.count(b"\n")
