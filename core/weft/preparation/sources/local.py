"""Files of this machine: opening them, and walking through folders."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from weft.errors import SourceError
from weft.preparation.sources.entries import Entry, is_auxiliary


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Opens a file, and refuses to go on where it is not what was listed: it was replaced, or is being written.

    Attributes:
        path: Where it is.
        stamp: Size in bytes and time of change in nanoseconds when it was listed; ``None`` where it had none.
    """

    path: str
    stamp: tuple[int, int] | None

    def stamp_text(self) -> str:
        """The stamp as text, which a file that is not there has as well."""
        return "absent" if self.stamp is None else "{}-{}".format(*self.stamp)

    def __call__(self) -> BinaryIO:
        # Opening a pipe would wait for ever, and a device may never end.
        if not stat.S_ISREG(os.stat(self.path).st_mode):  # noqa: PTH116 - a path as bytes that are no text
            raise OSError("it is not a regular file")
        return io.BufferedReader(_SteadyFile(self.path, self.stamp))


class _SteadyFile(io.FileIO):
    """A file whose every read is checked afterwards: what was returned was all there at one time."""

    def __init__(self, path: str, stamp: tuple[int, int] | None) -> None:
        super().__init__(path)
        try:
            self._stamp = stamp or _stamp(os.fstat(self.fileno()))
            self._check()
        except OSError:
            self.close()
            raise

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer)
        self._check()
        return count or 0

    def readall(self) -> bytes:
        data = super().readall()
        self._check()
        return data

    def _check(self) -> None:
        if _stamp(os.fstat(self.fileno())) != self._stamp:
            raise OSError(errno.EBUSY, "it changed after it was listed, as a file does that is still being written")


def local_file(path: str) -> tuple[LocalFile, int]:
    """What opens a file, and its size in bytes."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return LocalFile(path, None), 0
    return LocalFile(path, _stamp(status)), status.st_size


def local_entry(path: Path, name: str, source: str) -> Entry:
    opener, size = local_file(os.fspath(path))
    return Entry(name, opener, size, source, stamp=opener.stamp_text())


def walk(root: Path) -> tuple[list[Entry], list[str]]:
    """Files below a folder, those of one folder before those of its subfolders, and what is auxiliary.

    Links are followed; a folder that is reached twice is read once.

    Raises:
        SourceError: A folder cannot be listed.
    """
    entries: list[Entry] = []
    auxiliary: list[str] = []
    visited: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        path = f"{root}/{folder}"
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise _unreadable(path, error) from error
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        below: list[str] = []
        for found in _scan(path):
            name = f"{folder}{found.name}"
            is_folder = _is_folder(found)
            if is_auxiliary(found.name, folder=is_folder):
                auxiliary.append(name)
            elif is_folder:
                below.append(f"{name}/")
            else:
                opener, size = local_file(found.path)
                entries.append(Entry(name, opener, size, str(root), stamp=opener.stamp_text()))
        waiting.extend(reversed(below))
    return entries, auxiliary


def _scan(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"the folder {path} cannot be read ({error.strerror}); change its permissions, or name other sources"
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
