"""Sources to items: what a user names on the command line, as a sorted list of files with what tables say of them."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from weft.errors import SourceError
from weft.interfaces.samples import Item
from weft.preparation.annotations import Annotations, TableCounts, is_table_candidate, read_annotations

LICENSE_COLUMNS = ("license", "licence")

_AUXILIARY_FILE = re.compile(r"(?i:(readme|licen[cs]e)(\.(md|txt|rst|html))?)|Thumbs\.db|desktop\.ini")
_AUXILIARY_FOLDER = "__MACOSX"


@dataclass(frozen=True, slots=True)
class Collection:
    """What sources offer.

    Attributes:
        items: In the order of their names.
        tables: What the tables beside them said.
        auxiliary: How many files and folders were left out as hidden, as README or LICENSE, or as the system's.
    """

    items: Sequence[Item]
    tables: TableCounts
    auxiliary: int


@dataclass(frozen=True, slots=True)
class _Found:
    """One file of one source.

    Attributes:
        path: Where it is.
        name: Inside the source, ``/``-separated.
    """

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _Part:
    """What one source offers.

    Attributes:
        found: Its files, tables among them.
        auxiliary: How many files and folders are left out.
    """

    found: Sequence[_Found]
    auxiliary: int = 0


def collect(sources: Sequence[Path]) -> Collection:
    """All items of some sources.

    Files are taken as they are, folders with everything below them in the order of names. Hidden files and folders,
    what systems leave behind, files that are called README or LICENSE (alone or with .md, .txt, .rst or .html), and
    tables that name files beside them are not items. Links are followed; a folder that is reached twice is read once.

    Raises:
        SourceError: A source is missing, a folder cannot be listed, or there is nothing in them.
    """
    if not sources:
        raise SourceError("no source was given; name a file or a folder")
    parts = [_part(source) for source in sources]
    read = [_with_annotations(source, part.found) for source, part in zip(sources, parts, strict=True)]
    labels = _labels(sources) if _clash([items for items, _ in read]) else [""] * len(sources)
    items = [_prefixed(item, label) for (group, _), label in zip(read, labels, strict=True) for item in group]
    if not items:
        names = ", ".join(map(str, sources))
        raise SourceError(
            f"there are no files to read in {names}: hidden files, README, LICENSE and tables do not count"
        )
    return Collection(
        items=sorted(_unique(items), key=lambda item: item.name),
        tables=sum((tables for _, tables in read), TableCounts()),
        auxiliary=sum(part.auxiliary for part in parts),
    )


def printable_name(name: str) -> str:
    """A name that UTF-8 can hold: bytes that are no text (possible on POSIX) are written as ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _part(source: Path) -> _Part:
    if source.is_dir():
        return _walk(source)
    if not source.exists():
        raise SourceError(f"the source {source} does not exist; check the path")
    return _Part([_Found(source, source.name)])


def _with_annotations(source: Path, found: Sequence[_Found]) -> tuple[list[Item], TableCounts]:
    names = {unicodedata.normalize("NFC", each.name) for each in found}
    notes = Annotations()
    for each in found:
        if source.is_dir() and is_table_candidate(each.name):
            read_annotations(each.path, each.name, names, notes)
    items = [
        _item(each, str(source), notes.rows.get(unicodedata.normalize("NFC", each.name), {}))
        for each in found
        if each.name not in notes.tables
    ]
    return items, notes.counts


def _walk(root: Path) -> _Part:
    """Files below a folder, those of one folder before those of its subfolders."""
    found: list[_Found] = []
    auxiliary = 0
    visited: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        entries = _entries(folder)
        offered = [entry for entry in entries if not _is_auxiliary(entry)]
        auxiliary += len(entries) - len(offered)
        waiting.extend(reversed([entry for entry in offered if entry.is_dir()]))
        found += [_Found(entry, entry.relative_to(root).as_posix()) for entry in offered if not entry.is_dir()]
    return _Part(found, auxiliary)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(
            f"the folder {folder} cannot be read ({error.strerror}); change its permissions, or name other sources"
        ) from error


def _is_auxiliary(entry: Path) -> bool:
    if entry.name.startswith("."):
        return True
    return entry.name == _AUXILIARY_FOLDER if entry.is_dir() else _AUXILIARY_FILE.fullmatch(entry.name) is not None


def _item(found: _Found, source: str, row: Mapping[str, str]) -> Item:
    license_name = next((row[column] for column in LICENSE_COLUMNS if row.get(column)), None)
    try:
        size = found.path.stat().st_size
    except OSError:
        size = 0
    return Item(
        name=printable_name(found.name),
        open=partial(_open_regular, found.path),
        size=size,
        metadata=row,
        source=printable_name(source),
        license=license_name,
    )


def _open_regular(path: Path) -> BinaryIO:
    # Opening a pipe would wait for ever, and a device may never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a regular file")
    return path.open("rb")


def _clash(groups: Sequence[Sequence[Item]]) -> bool:
    counts = Counter(item.name for group in groups for item in group)
    return any(count > 1 for count in counts.values())


def _labels(sources: Sequence[Path]) -> list[str]:
    """A short name for each source, no two alike."""
    labels: list[str] = []
    for source in sources:
        real = Path(os.path.realpath(source))
        base = printable_name(real.name if real.is_dir() else real.parent.name) or "source"
        candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(sources) + 1))
        labels.append(next(label for label in candidates if label not in labels))
    return labels


def _prefixed(item: Item, label: str) -> Item:
    if not label:
        return item
    # A folder's name becomes a caption, and a source's own name is none: only files in folders get it as a folder.
    separator = "/" if "/" in item.name else ":"
    return dataclasses.replace(item, name=f"{label}{separator}{item.name}")


def _unique(items: Sequence[Item]) -> Iterator[Item]:
    """Items with names that no two share; equal ones, which only undecodable names can still be, get a number."""
    taken: set[str] = set()
    for item in items:
        name = next(name for name in _variants(item.name) if name not in taken)
        taken.add(name)
        yield item if name == item.name else dataclasses.replace(item, name=name)


def _variants(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    yield name
    number = 2
    while True:
        yield str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        number += 1
