"""Files that share a name up to its first dot: ``000.jpg`` with ``000.txt``, ``000.json`` and ``000.cls`` beside it.

This is how WebDataset shards hold what belongs together (and how captions often lie beside pictures in a folder).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from weft.interfaces.source import TableCounts
from weft.plugins.official import official_plugin_for
from weft.preparation.sources.archives import is_tar
from weft.preparation.sources.entries import Entry
from weft.preparation.sources.rows import strings

TEXT_EXTENSIONS = frozenset({"txt", "caption", "text"})
CLASS_EXTENSION = "cls"
ROW_EXTENSION = "json"
EXTENSIONS = TEXT_EXTENSIONS | {CLASS_EXTENSION, ROW_EXTENSION}

MOST_BYTES = 1 << 20
"""A description is shorter; what is longer is content of its own."""


def with_sidecars(entries: Sequence[Entry]) -> tuple[list[Entry], TableCounts]:
    """Entries that have a row of what lies beside them, without what is now in those rows.

    Pictures and recordings have such files anywhere; in a tar file anything has, provided that every description in it
    lies beside something.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_key(entry), []).append(entry)
    shards = _shards(groups)
    kept: list[Entry] = []
    counts = TableCounts()
    for group in groups.values():
        beside = [entry for entry in group if _is_sidecar(entry)]
        described = [bool(beside) and _is_described(entry, shards) for entry in group]
        if not any(described):
            kept += group
            continue
        row: dict[str, str] = {}
        for sidecar in sorted(beside, key=lambda entry: (_extension(entry) != ROW_EXTENSION, entry.name)):
            content = _read(sidecar)
            counts += TableCounts(used=1) if content is not None else TableCounts(broken=1)
            row.update(content or {})
        kept += [
            replace(entry, row={**row, **entry.row}) if is_described else entry
            for entry, is_described in zip(group, described, strict=True)
            if not _is_sidecar(entry)
        ]
    return kept, counts


def _shards(groups: Mapping[str, Sequence[Entry]]) -> set[str]:
    """Tar files in which every description lies beside something."""
    with_pairs: set[str] = set()
    without: set[str] = set()
    for group in groups.values():
        if any(map(_is_sidecar, group)) and is_tar(group[0].archive):
            paired = not all(map(_is_sidecar, group))
            (with_pairs if paired else without).add(group[0].archive)
    return with_pairs - without


def _is_described(entry: Entry, shards: set[str]) -> bool:
    if _is_sidecar(entry):
        return False
    official = official_plugin_for(entry.suffix)
    return entry.archive in shards or (official is not None and official.modality != "text")


def _is_sidecar(entry: Entry) -> bool:
    return _extension(entry) in EXTENSIONS and entry.size <= MOST_BYTES


def _key(entry: Entry) -> str:
    folder, slash, name = entry.name.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _extension(entry: Entry) -> str:
    return entry.name.rpartition("/")[2].partition(".")[2].lower()


def _read(sidecar: Entry) -> dict[str, str] | None:
    try:
        with sidecar.open() as file:
            text = file.read().decode("utf-8-sig", errors="replace")
        if _extension(sidecar) != ROW_EXTENSION:
            return {"label" if _extension(sidecar) == CLASS_EXTENSION else "text": text.strip()}
        row = json.loads(text)
    # A member of an archive fails with whatever its decoder raises.
    except Exception:
        return None
    return strings(row) if isinstance(row, dict) else None
