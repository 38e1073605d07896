"""Members of tar files, compressed or not."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from weft.interfaces.source import SourceLimits
from weft.preparation.sources.entries import Entry, Opener, part_stamp, refused, safe_name
from weft.preparation.sources.spooling import copy_limited, in_memory_or_on_disk

SMALL = 64 << 20
"""Bytes below which a compressed archive cannot hurt, whatever its ratio."""


def _gunzipped(file: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=file)


_DECOMPRESSORS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": _gunzipped,
    ".tgz": _gunzipped,
    ".xz": lzma.LZMAFile,
    ".txz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".tbz2": bz2.BZ2File,
    ".tbz": bz2.BZ2File,
}


@dataclass(frozen=True, slots=True)
class PlainTar:
    """Opens a tar file so that it can be read from any place. A compressed one cannot be: it is decompressed into a
    temporary file, once in each process that reads from it.

    Attributes:
        archive: Opens the file as it is.
        compression: The extension that names it; empty for none.
        most: Bytes that it may have, decompressed.
    """

    archive: Opener
    compression: str
    most: int

    def __call__(self) -> BinaryIO:
        file = self.archive()
        if not self.compression:
            return file
        with file, _DECOMPRESSORS[self.compression](file) as stream:
            problem = f"it unpacks to more than {self.most} bytes, as an archive does that is meant to fill the disk"
            return copy_limited(stream, self.most, problem)


@dataclass(frozen=True, slots=True)
class TarMember:
    """Opens one member.

    Attributes:
        archive: Opens the tar file.
        offset: Where the content begins.
        size: Its bytes.
    """

    archive: PlainTar
    offset: int
    size: int

    def __call__(self) -> BinaryIO:
        file = _opened(self.archive, os.getpid())
        file.seek(self.offset)
        return in_memory_or_on_disk(_Window(file, self.size), self.size)  # type: ignore[arg-type]


class _Window:
    """The next bytes of a file, and no more."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data


def list_tar(archive: Entry, limits: SourceLimits) -> Iterator[Entry]:
    """Members as entries whose names are those inside the archive.

    Raises:
        tarfile.TarError, OSError: It is damaged, holds too many members, or unpacks to too much.
    """
    compression = archive.suffix if archive.suffix in _DECOMPRESSORS else ""
    plain = PlainTar(archive.open, compression, max(SMALL, limits.ratio * archive.size))
    # What was decompressed here serves the members that this process reads.
    file = _opened(plain, os.getpid())
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as opened:
        for number, info in enumerate(_infos(opened)):
            if number >= limits.members:
                raise tarfile.TarError(f"it holds more than the {limits.members} members that are allowed")
            name = safe_name(info.name)
            if name and not info.isdir():
                member = TarMember(plain, info.offset_data, info.size)
                stamp = part_stamp(archive.stamp, info.offset_data)
                yield _judged(Entry(name, member, info.size, archive.source, stamp=stamp), info, limits)


def _infos(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := opened.next()) is not None:
        yield info
        # It would remember every member, a kilobyte each.
        opened.members = []  # type: ignore[attr-defined]


def _judged(entry: Entry, info: tarfile.TarInfo, limits: SourceLimits) -> Entry:
    if not info.isreg() or info.issparse():
        return refused(entry, "not-a-file", "it is a link, a device or a sparse file, which are not read from archives")
    if info.size > limits.member_bytes:
        return refused(entry, "too-large", f"it has {info.size} bytes, and {limits.member_bytes} are allowed")
    return entry


# An open archive belongs to one process: a child of fork would move the place where its parent reads.
@functools.lru_cache(maxsize=4)
def _opened(archive: PlainTar, process: int) -> BinaryIO:
    return archive()
