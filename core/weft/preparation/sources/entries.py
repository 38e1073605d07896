"""What every listing is made of, be it of a folder, an archive or a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import BinaryIO

from weft.errors import UnreadableError
from weft.interfaces.samples import Item, Reason

Opener = Callable[[], BinaryIO]
LICENSE_COLUMNS = ("license", "licence")

_AUXILIARY_FILE = re.compile(r"(?i:(readme|licen[cs]e)(\.(md|txt|rst|html))?)|Thumbs\.db|desktop\.ini")
_AUXILIARY_FOLDERS = frozenset({"__MACOSX", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a listing.

    Attributes:
        name: Inside the source, ``/``-separated.
        open: Opens it for reading.
        size: In bytes; approximate for rows of tables.
        source: What the user named.
        archive: Name of the archive or table that it is a part of.
        row: What is known of it already.
        stamp: Changes when the content does; empty where that is not known.
    """

    name: str
    open: Opener
    size: int
    source: str
    archive: str = ""
    row: Mapping[str, str] = field(default_factory=dict)
    stamp: str = ""

    @property
    def suffix(self) -> str:
        """The file extension, in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    def item(self) -> Item:
        license_name = next((self.row[column] for column in LICENSE_COLUMNS if self.row.get(column)), None)
        return Item(
            name=printable_name(self.name),
            open=self.open,
            size=self.size,
            metadata=self.row,
            source=printable_name(self.source),
            license=license_name,
            stamp=self.stamp,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stands in for the content of an item that is turned away before it is read."""

    reason: Reason

    def __call__(self) -> BinaryIO:
        raise UnreadableError(self.reason.detail)


def part_stamp(whole: str, part: object) -> str:
    """The stamp of a part of a file, from the file's own; empty where that is."""
    return f"{whole}:{part}" if whole else ""


def refused(entry: Entry, code: str, detail: str) -> Entry:
    """The entry as one that takes no part."""
    return replace(entry, open=Refusal(Reason(code, detail)))


def printable_name(name: str) -> str:
    """A name that UTF-8 can hold: bytes that are no text (possible on POSIX) are written as ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def safe_name(name: str) -> str:
    """The name of a member as a path inside its archive: ``../`` and drives lead nowhere, for names are only names."""
    parts = [
        part for part in re.sub(r"^[A-Za-z]:", "", name).replace("\\", "/").split("/") if part not in ("", ".", "..")
    ]
    return "/".join(parts)


def is_auxiliary(name: str, *, folder: bool) -> bool:
    """Whether a file or a folder of that name is never an item."""
    if name.startswith("."):
        return True
    return name in _AUXILIARY_FOLDERS if folder else _AUXILIARY_FILE.fullmatch(name) is not None


def without_auxiliary(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries of a listing that has no folders of its own, and the files and folders that are left out."""
    kept: list[Entry] = []
    left_out: dict[str, None] = {}
    for entry in entries:
        found = _auxiliary_part(entry.name)
        if found is None:
            kept.append(entry)
        else:
            left_out[found] = None
    return kept, list(left_out)


def _auxiliary_part(name: str) -> str | None:
    """The first folder on the way to a file, or the file itself, that is auxiliary."""
    path = PurePosixPath(name)
    folders = [folder for folder in reversed(path.parents) if folder.name]
    for folder in folders:
        if is_auxiliary(folder.name, folder=True):
            return str(folder)
    return name if is_auxiliary(path.name, folder=False) else None


def unique(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Entries of which no two have one name; an archive may hold the same name twice."""
    names = Names()
    for entry in entries:
        name = names.unique(entry.name)
        yield entry if name == entry.name else replace(entry, name=name)


def numbered(name: str, number: int) -> str:
    """What a file may be called where its name is taken."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem} ({number}){path.suffix}"))


class Names:
    """Gives out names of which no two are equal: one that is taken gets the first number that is free, from 2 on.

    Args:
        numbered: Puts a number into a name.
    """

    def __init__(self, numbered: Callable[[str, int], str] = numbered) -> None:
        self._numbered = numbered
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """The name itself, or with a number."""
        found = name
        while found in self._taken:
            # Numbers that were found taken once are not tried again: a thousand equal names cost a thousand steps.
            number = self._next.get(name, 2)
            self._next[name] = number + 1
            found = self._numbered(name, number)
        self._taken.add(found)
        return found
