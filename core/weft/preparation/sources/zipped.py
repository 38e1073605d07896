"""Members of zip files, read where they are."""

from __future__ import annotations

import functools
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from weft.interfaces.source import SourceLimits
from weft.preparation.sources.entries import Entry, Opener, refused, safe_name
from weft.preparation.sources.spooling import in_memory_or_on_disk

SMALL = 1 << 20
"""Bytes below which a member cannot hurt, whatever its ratio."""

_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipMember:
    """Opens one member.

    Attributes:
        archive: Opens the zip file.
        place: Of the member in the archive's own list, for two may have one name.
    """

    archive: Opener
    place: int

    def __call__(self) -> BinaryIO:
        archive = _opened(self.archive, os.getpid())
        info = archive.infolist()[self.place]
        with archive.open(info) as member:
            return in_memory_or_on_disk(cast(BinaryIO, member), info.file_size)


def list_zip(archive: Entry, limits: SourceLimits) -> Iterator[Entry]:
    """Members as entries whose names are those inside the archive.

    Raises:
        zipfile.BadZipFile: It is damaged, or holds too many members.
    """
    with archive.open() as file, zipfile.ZipFile(file) as opened:
        members = opened.infolist()
    if len(members) > limits.members:
        raise zipfile.BadZipFile(f"it holds {len(members)} members, and {limits.members} are allowed")
    for place, info in enumerate(members):
        name = safe_name(info.filename)
        if info.is_dir() or not name:
            continue
        stamp = f"{info.CRC:08x}-{info.file_size}"
        entry = Entry(name, ZipMember(archive.open, place), info.file_size, archive.source, stamp=stamp)
        yield _judged(entry, info, limits)


def _judged(entry: Entry, info: zipfile.ZipInfo, limits: SourceLimits) -> Entry:
    if info.flag_bits & _ENCRYPTED:
        return refused(entry, "encrypted", "it is encrypted; unpack the archive with its password first")
    if info.file_size > limits.member_bytes:
        detail = f"it has {info.file_size} bytes unpacked, and {limits.member_bytes} are allowed"
        return refused(entry, "too-large", detail)
    if info.file_size > SMALL and info.file_size > limits.ratio * info.compress_size:
        detail = (
            f"{info.compress_size} bytes unpack to {info.file_size}, more than {limits.ratio} times as many, "
            f"as in an archive that is meant to fill the disk"
        )
        return refused(entry, "bomb", detail)
    return entry


# An open archive belongs to one process: a child of fork would move the place where its parent reads.
@functools.lru_cache(maxsize=8)
def _opened(archive: Opener, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive())
