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
        source: What the user named.
    """

    path: Path
    name: str
    source: Path


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read together: a folder, or those files of one folder that the user named.

    Attributes:
        folder: The folder.
        found: Its files, tables among them.
        auxiliary: How many files and folders are left out.
    """

    folder: Path
    found: Sequence[_Found]
    auxiliary: int = 0


def collect(sources: Sequence[Path]) -> Collection:
    """All items of some sources.

    Folders are taken with everything below them in the order of names. Hidden files and folders,
    what systems leave behind, files that are called README or LICENSE (alone or with .md, .txt, .rst or .html), and
    tables that name files beside them are not items. Links are followed; a folder that is reached twice is read once.

    Files that are named one by one, as a shell pattern does, keep their own names. Those of one folder are read
    together: tables among them describe the others, and README and LICENSE are left out. A file that is named without
    any such company is always an item, whatever it is called.

    Raises:
        SourceError: A source is missing, a folder cannot be listed, or there is nothing in them.
    """
    if not sources:
        raise SourceError("no source was given; name a file or a folder")
    parts = _parts(sources)
    read = [_with_annotations(part.found) for part in parts]
    labels = _labels(parts) if _clash([items for items, _ in read]) else [""] * len(parts)
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


def _parts(sources: Sequence[Path]) -> list[_Part]:
    """A part for each folder, and one for the files of each folder, in the order of the sources."""
    groups: dict[object, list[Path]] = {}
    for place, source in enumerate(sources):
        if not source.exists():
            raise SourceError(f"the source {source} does not exist; check the path")
        groups.setdefault(place if source.is_dir() else os.path.realpath(source.parent), []).append(source)
    return [_walk(group[0]) if group[0].is_dir() else _named(group) for group in groups.values()]


def _named(files: Sequence[Path]) -> _Part:
    """Files of one folder that were named; of those that are auxiliary a pattern leaves out the hidden ones alone, so
    a hidden file is meant, and the others are where nothing else is."""
    meant = files
    if not all(map(_is_auxiliary, files)):
        meant = [file for file in files if file.name.startswith(".") or not _is_auxiliary(file)]
    return _Part(files[0].parent, [_Found(file, file.name, file) for file in meant], len(files) - len(meant))


def _with_annotations(found: Sequence[_Found]) -> tuple[list[Item], TableCounts]:
    names = {unicodedata.normalize("NFC", each.name) for each in found}
    notes = Annotations()
    for each in found:
        # A table that is named alone has nothing to describe; it may be what is to be learned.
        if is_table_candidate(each.name) and (each.path != each.source or len(found) > 1):
            read_annotations(each.path, each.name, names, notes)
    items = [
        _item(each, notes.rows.get(unicodedata.normalize("NFC", each.name), {}))
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
        found += [_Found(entry, entry.relative_to(root).as_posix(), root) for entry in offered if not entry.is_dir()]
    return _Part(root, found, auxiliary)


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


def _item(found: _Found, row: Mapping[str, str]) -> Item:
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
        source=printable_name(str(found.source)),
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


def _labels(parts: Sequence[_Part]) -> list[str]:
    """A short name for each part, no two alike."""
    labels: list[str] = []
    for part in parts:
        base = printable_name(Path(os.path.realpath(part.folder)).name) or "source"
        candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(parts) + 1))
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
