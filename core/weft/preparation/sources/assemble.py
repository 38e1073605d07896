"""From a listing to what a source offers: archives opened, tables read, descriptions put beside what they describe."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from weft.interfaces.source import Offer, SourceLimits
from weft.plugins.official import official_plugin_for
from weft.preparation.annotations import COMPLETE_TABLES, Annotations, read_annotations, targets_of
from weft.preparation.sources.archives import expanded
from weft.preparation.sources.cells import media_columns, row_entries
from weft.preparation.sources.entries import Entry, printable_name, refused, without_auxiliary
from weft.preparation.sources.parquet import ParquetView
from weft.preparation.sources.rows import is_table_candidate, read_rows
from weft.preparation.sources.sidecars import with_sidecars
from weft.preparation.sources.splits import blank_captions

Beside = Callable[[str], Entry | None]
"""Finds the file of a name, inside the source, that no listing has named."""


def assemble(
    entries: Sequence[Entry],
    label: str,
    limits: SourceLimits,
    *,
    auxiliary: Sequence[str] = (),
    beside: Beside | None = None,
) -> Offer:
    """What the files of a listing come to.

    Args:
        entries: Files, less those that are auxiliary.
        label: Short name of the source.
        limits: What archives may cost.
        auxiliary: Names of what was left out.
        beside: Where a table looks for the files that it names, if the listing is that table alone; only given for
            files that the user has named.
    """
    alone = beside is not None and len(entries) == 1
    if beside is not None and alone and is_table_candidate(entries[0].name):
        entries = [*entries, *_named_by(entries[0], beside)]
        alone = len(entries) == 1
    opened = expanded(entries, limits)
    if len(opened) != len(entries):
        opened, inside = without_auxiliary(opened)
        auxiliary = [*auxiliary, *inside]
    described, sidecars = with_sidecars(opened)
    notes = Annotations()
    # A table that is named alone has nothing to describe; it may be what is to be learned.
    if not alone:
        _read_tables(described, notes)
    with_rows = [_with_row(entry, notes) for entry in described if entry.name not in notes.tables]
    complete, warnings = _complete(with_rows, notes)
    cells = [cell for entry in complete for cell in _cells(entry, alone=alone)]
    items = [entry.item() for entry in blank_captions(cells)]
    return Offer(
        items,
        printable_name(label),
        sidecars + notes.counts,
        [printable_name(name) for name in auxiliary],
        [*notes.warnings, *warnings],
    )


def _named_by(table: Entry, beside: Beside) -> list[Entry]:
    """Files that a table names and that are there; nothing of a table whose first row names none."""
    found: dict[str, Entry] = {}
    looked_for = False
    for row in read_rows(table.open, table.name):
        if row is None:
            continue
        for target in targets_of(row, table.name):
            entry = None if target in found else beside(target)
            if entry is not None:
                found[target] = entry
        if not found and not looked_for:
            return []
        looked_for = True
    return list(found.values())


def _read_tables(entries: Sequence[Entry], notes: Annotations) -> None:
    names = {unicodedata.normalize("NFC", entry.name) for entry in entries}
    for entry in entries:
        if is_table_candidate(entry.name):
            read_annotations(entry.open, entry.name, names, notes)


def _with_row(entry: Entry, notes: Annotations) -> Entry:
    row = notes.rows.get(unicodedata.normalize("NFC", entry.name))
    if row is not None:
        return replace(entry, row={**entry.row, **row})
    if entry.name in notes.misnamed:
        detail = notes.misnamed[entry.name]
        notes.warnings.append(f"the table {printable_name(entry.name)} is not used: {detail}")
        return refused(entry, "misnamed-column", detail)
    return entry


def _complete(entries: Sequence[Entry], notes: Annotations) -> tuple[list[Entry], list[str]]:
    """Pictures and recordings that a table of Hugging Face ``datasets`` does not list are no part of its data set."""
    tables = sorted(name for name in notes.tables if PurePosixPath(name).name in COMPLETE_TABLES)
    if not tables or not notes.rows:
        return list(entries), []
    judged: list[Entry] = []
    unlisted: list[str] = []
    for entry in entries:
        official = official_plugin_for(entry.suffix)
        listed = unicodedata.normalize("NFC", entry.name) in notes.rows
        if listed or official is None or official.modality == "text":
            judged.append(entry)
            continue
        unlisted.append(printable_name(entry.name))
        detail = f"no row of {tables[0]} names it; add one, or call the table captions.csv to keep it without"
        judged.append(refused(entry, "unlisted", detail))
    if not unlisted:
        return judged, []
    warning = (
        f"files that no row of {printable_name(tables[0])} names are left out, as Hugging Face datasets does: "
        f"{len(unlisted)}, for example {unlisted[0]}; call the table captions.csv to keep them"
    )
    return judged, [warning]


def _cells(entry: Entry, *, alone: bool) -> list[Entry]:
    """The rows of a table that holds pictures or recordings itself; any other entry as it is."""
    if entry.suffix != ".parquet":
        return [entry]
    view = ParquetView(entry.open)
    try:
        media = media_columns(view)
        folder = "" if alone else f"{entry.name}/"
        return row_entries(view, media, folder, entry.source, entry.stamp) if media else [entry]
    # Arrow has no exception in common with a file that cannot be opened; the reader of the item says what is wrong.
    except Exception:
        return [entry]
