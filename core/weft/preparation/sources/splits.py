"""Folders whose names are no captions: splits of a data set, and archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from weft.preparation.sources.entries import Entry

SPLITS = frozenset({
    "train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation",
})  # fmt: skip
"""Names of folders that Hugging Face ``datasets`` takes for splits."""


def blank_captions(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Entries with an empty label where the folder that they lie in is an archive, or a split: one of folders that are
    all called so. A folder ``train`` beside a folder ``bicycle`` holds pictures of trains."""
    folders = {folder for entry in entries for folder in _folders(entry.name)}
    beside: dict[str, set[str]] = {}
    for folder in folders:
        path = PurePosixPath(folder)
        beside.setdefault(str(path.parent), set()).add(path.name.lower())
    for entry in entries:
        parent = PurePosixPath(entry.name).parent
        split = parent.name.lower() in SPLITS and beside[str(parent.parent)] <= SPLITS
        blank = split or (bool(entry.archive) and str(parent) == entry.archive)
        yield replace(entry, row={"label": "", **entry.row}) if blank else entry


def _folders(name: str) -> Iterator[str]:
    yield from (str(folder) for folder in PurePosixPath(name).parents if folder.name)
