"""Tables that name files beside them (``metadata.csv``, ``captions.csv``, ...), and what they say of those files."""

from __future__ import annotations

import json
import posixpath
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from weft.interfaces.source import TableCounts
from weft.preparation.sources.entries import Opener, printable_name
from weft.preparation.sources.rows import Row, read_rows

TABLE_NAMES = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet", "captions.csv"})
"""Tables by name: they take no part as items even where none of the files that they name exists."""

COMPLETE_TABLES = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
"""Tables by whose name Hugging Face ``datasets`` takes what they list, and nothing else."""


@dataclass(slots=True)
class Annotations:
    """What the tables of one source say.

    Attributes:
        rows: Name of a file inside the source, in Unicode NFC, to its row.
        tables: Names of the files that are such tables.
        counts: What became of their rows.
        warnings: On rows that are left out and tables that are not used.
        misnamed: Tables that name files under a column that is not known, to what is wrong with them.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    counts: TableCounts = field(default_factory=TableCounts)
    warnings: list[str] = field(default_factory=list)
    misnamed: dict[str, str] = field(default_factory=dict)


def read_annotations(opener: Opener, name: str, names: Collection[str], into: Annotations) -> None:
    """Add what a table says; a file that proves to be no table of this kind is left alone.

    Args:
        opener: Opens the file.
        name: Its name inside the source.
        names: Names of all files of the source, in Unicode NFC.
        into: What is added to.
    """
    first = next((row for row in read_rows(opener, name) if row is not None), None)
    if first is None:
        return
    if not _describes_files(first, name, names):
        _note_misnamed(first, name, names, into)
        return
    into.tables.add(name)
    left_out: dict[str, list[str]] = {}
    for row in read_rows(opener, name):
        targets = [] if row is None else list(targets_of(row, name))
        if row is None or not targets:
            into.counts += TableCounts(broken=1)
            left_out.setdefault("cannot be read or name no file", []).append("")
            continue
        known = [target for target in targets if target in names]
        fresh = [target for target in known if target not in into.rows]
        into.rows.update(dict.fromkeys(fresh, row))
        if fresh:
            into.counts += TableCounts(used=1)
        elif known:
            into.counts += TableCounts(repeated=1)
            left_out.setdefault("describe a file that an earlier row describes", []).append(known[0])
        else:
            into.counts += TableCounts(unmatched=1)
            left_out.setdefault("name a file that is not there", []).append(targets[0])
    for problem, examples in left_out.items():
        example = f", for example {printable_name(examples[0])}" if examples[0] else ""
        into.warnings.append(f"rows of {printable_name(name)} that {problem} are left out: {len(examples)}{example}")


def targets_of(row: Row, table: str) -> Iterator[str]:
    """The files that a row names, inside the source of the table. ``file_name``, ``*_file_name``, ``file_names`` and
    ``*_file_names`` are the columns of Hugging Face ``datasets``; without any of them ``path`` and ``*_path`` count."""
    folder = str(PurePosixPath(table).parent)
    named = list(_named_files(row))
    for file_name in named or _values(row, "path"):
        yield _target(folder, file_name)


def _named_files(row: Row) -> Iterator[str]:
    yield from _values(row, "file_name")
    for value in _values(row, "file_names"):
        try:
            several = json.loads(value)
        except ValueError:
            continue
        if isinstance(several, list):
            yield from (each for each in several if isinstance(each, str) and each)


def _values(row: Row, column: str) -> Iterator[str]:
    yield from (row[name] for name in row if (name == column or name.endswith(f"_{column}")) and row[name])


def _describes_files(row: Row, name: str, names: Collection[str]) -> bool:
    """Whether the first row that can be read has a file name; under another than the usual names of tables it must
    be the name of a file that is there."""
    usual = PurePosixPath(name).name.lower() in TABLE_NAMES
    if usual and any(_named_files(row)):
        return True
    return any(target in names for target in targets_of(row, name))


def _note_misnamed(row: Row, name: str, names: Collection[str], into: Annotations) -> None:
    folder = str(PurePosixPath(name).parent)
    column = next((column for column, value in row.items() if value and _target(folder, value) in names), None)
    if column is None:
        return
    into.misnamed[name] = (
        f"it names files beside it in the column {column!r}, and has the columns {', '.join(row)}; "
        f"rename {column!r} to 'file_name', and the column of captions to 'text', so that it describes them"
    )


def _target(folder: str, file_name: str) -> str:
    """The file that a row names, inside the source."""
    joined = posixpath.normpath(posixpath.join(folder, file_name.strip().replace("\\", "/")))
    return unicodedata.normalize("NFC", joined)
