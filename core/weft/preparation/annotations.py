"""Tables that name files beside them (``metadata.csv``, ``captions.csv``, ...), and what they say of those files."""

from __future__ import annotations

import csv
import json
import posixpath
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

FILE_COLUMN = "file_name"
TABLE_NAMES = frozenset({"metadata.csv", "metadata.jsonl", "captions.csv"})
"""Tables by name: they take no part as items even where none of the files that they name exists."""

TABLE_SUFFIXES = frozenset({".csv", ".jsonl"})


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What became of the rows of tables; each row is counted once.

    Attributes:
        used: Rows that describe a file.
        unmatched: Rows that name a file that is not there.
        repeated: Rows on a file that an earlier row describes.
        broken: Rows that cannot be read.
    """

    used: int = 0
    unmatched: int = 0
    repeated: int = 0
    broken: int = 0

    def __add__(self, other: TableCounts) -> TableCounts:
        return TableCounts(
            self.used + other.used,
            self.unmatched + other.unmatched,
            self.repeated + other.repeated,
            self.broken + other.broken,
        )


@dataclass(slots=True)
class Annotations:
    """What the tables of one source say.

    Attributes:
        rows: Name of a file inside the source, in Unicode NFC, to its row.
        tables: Names of the files that are such tables.
        counts: What became of their rows.
    """

    rows: dict[str, Mapping[str, str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    counts: TableCounts = TableCounts()


def is_table_candidate(name: str) -> bool:
    """Whether a file may be a table, by its name alone."""
    return PurePosixPath(name).suffix.lower() in TABLE_SUFFIXES


def read_annotations(path: Path, name: str, names: Collection[str], into: Annotations) -> None:
    """Add what a table says; a file that proves to be no table of this kind is left alone.

    Args:
        path: The file.
        name: Its name inside the source.
        names: Names of all files of the source, in Unicode NFC.
        into: What is added to.
    """
    folder = str(PurePosixPath(name).parent)
    if not _is_table(path, folder, names):
        return
    into.tables.add(name)
    for row in _rows(path):
        file_name = row.get(FILE_COLUMN) if row is not None else None
        target = None if not file_name else _target(folder, file_name)
        if row is None or target is None:
            into.counts += TableCounts(broken=1)
        elif target not in names:
            into.counts += TableCounts(unmatched=1)
        elif target in into.rows:
            into.counts += TableCounts(repeated=1)
        else:
            into.rows[target] = row
            into.counts += TableCounts(used=1)


def _is_table(path: Path, folder: str, names: Collection[str]) -> bool:
    """Whether the first row that can be read has a file name; under another than the usual names of tables it must
    be the name of a file that is there."""
    usual = path.name.lower() in TABLE_NAMES
    for row in _rows(path):
        if row is None:
            continue
        file_name = row.get(FILE_COLUMN)
        return bool(file_name) and (usual or _target(folder, str(file_name)) in names)
    return False


def _target(folder: str, file_name: str) -> str:
    """The file that a row names, inside the source."""
    joined = posixpath.normpath(posixpath.join(folder, file_name.strip().replace("\\", "/")))
    return unicodedata.normalize("NFC", joined)


def _rows(path: Path) -> Iterator[dict[str, str] | None]:
    """Rows of a table; ``None`` for each that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines: Iterator[str] = (line.replace("\0", "") for line in file)
            yield from _csv_rows(lines) if path.suffix.lower() == ".csv" else map(_json_row, filter(str.strip, lines))
    except OSError:
        yield None


def _csv_rows(lines: Iterator[str]) -> Iterator[dict[str, str] | None]:
    reader = csv.DictReader(lines, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
        else:
            yield _strings(row)


def _json_row(line: str) -> dict[str, str] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _strings(row) if isinstance(row, dict) else None


def _strings(row: Mapping[Any, Any]) -> dict[str, str]:
    """A row with every value as text; what is not filled in, or stands under no column, is left out."""
    return {
        str(column).strip(): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for column, value in row.items()
        if column is not None and value is not None
    }
