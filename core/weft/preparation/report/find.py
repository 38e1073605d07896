"""From what a person types to the item that is meant."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from weft.errors import SourceError
from weft.pages.numbers import count
from weft.preparation.annotations import TABLE_NAMES
from weft.preparation.sources.entries import is_auxiliary, printable_name

SUGGESTIONS = 3
COMPARED = 20_000
"""Names that are compared letter by letter to find similar ones; of more, those that share most with what was typed."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is no item, and why."""

    name: str
    why: str


def find_item(names: Any, typed: str, sources: Sequence[str]) -> str | LeftOut:
    """The item that is meant.

    It is found by its name, by its path (with the source in front, absolute, or relative to where one is), or by the
    end of its name, where only one ends so.

    Args:
        names: Of all items, an Arrow array of strings.
        typed: What was typed.
        sources: Places of the sources, as they were named.

    Raises:
        SourceError: There is no such item, or there are several.
    """
    inside = _inside(typed, sources)
    found = _exact(names, _forms(typed, sources, stripped=inside is not False))
    typed = printable_name(typed)
    if found is not None:
        return found
    ends = [] if inside is False else _ending(names, typed)
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise SourceError(f"{count(len(ends), 'item')} end with {typed}: {_some(ends)}; name one of them in full")
    below = _below(names, typed)
    if below:
        raise SourceError(f"{typed} is no item, but {count(len(below))} are in it: {_some(below)}; name one of them")
    left_out = _left_out(typed)
    if left_out is not None:
        return LeftOut(typed, left_out)
    raise SourceError(_explain_absent(names, typed, sources, inside))


def _forms(typed: str, sources: Sequence[str], *, stripped: bool) -> Iterator[str]:
    """What an item that is meant may be called, the likeliest first."""
    plain = os.path.normpath(typed) if typed else typed
    relative = [name for source in sources if (name := _relative(typed, source)) is not None]
    forms = [typed, plain, *relative]
    if stripped:
        parts = PurePosixPath(plain).parts
        forms += ["/".join(parts[start:]) for start in range(1, len(parts))]
    for form in map(printable_name, forms):
        yield form
        yield unicodedata.normalize("NFC", form)
        yield unicodedata.normalize("NFD", form)


def _relative(typed: str, source: str) -> str | None:
    """The path inside a source, for a path into it; that of a source that is a file is the file's name."""
    real, root = os.path.realpath(typed), os.path.realpath(source)
    if real == root:
        return PurePosixPath(root).name
    return os.path.relpath(real, root) if real.startswith(root.rstrip("/") + "/") else None


def _inside(typed: str, sources: Sequence[str]) -> bool | None:
    """Whether a file that exists lies in one of the sources; ``None`` where that cannot be known."""
    if not Path(typed).exists() or not all(Path(source).exists() for source in sources):
        return None
    return any(_relative(typed, source) is not None for source in sources)


def _exact(names: Any, forms: Iterator[str]) -> str | None:
    several = list(dict.fromkeys(forms))
    there = set(names.filter(pc.is_in(names, value_set=pa.array(several, pa.string()))).to_pylist())
    return next((form for form in several if form in there), None)


def _ending(names: Any, typed: str) -> list[str]:
    """Items whose names end so, at the border of a folder if any does."""
    for end in (f"/{typed}", f":{typed}", typed):
        found = names.filter(pc.ends_with(names, end)).to_pylist() if typed else []
        if found:
            return list(found)
    return []


def _below(names: Any, typed: str) -> list[str]:
    folder = typed.rstrip("/") + "/"
    return list(names.filter(pc.starts_with(names, folder)).to_pylist())


def _left_out(typed: str) -> str | None:
    """Why a file is never an item, by its name alone."""
    path = PurePosixPath(os.path.normpath(typed))
    for folder in path.parts[:-1]:
        if folder not in ("/", "..") and is_auxiliary(folder, folder=True):
            return f"the folder {folder} is hidden or the system's, and nothing in it is offered"
    if is_auxiliary(path.name, folder=False):
        kind = "it is hidden" if path.name.startswith(".") else "README, LICENSE and files of the system are no content"
        return f"it is not offered: {kind}"
    if path.name.lower() in TABLE_NAMES:
        return "it is a table that describes the files beside it: its rows became their captions, and it is no item"
    return None


def _explain_absent(names: Any, typed: str, sources: Sequence[str], inside: bool | None) -> str:
    close = _similar(names, typed)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    if inside is False:
        return f"{typed} is in none of the sources ({', '.join(sources)}), so it was never offered{hint}"
    if inside:
        return (
            f"{typed} is in a source now, but was not offered when the corpus was prepared: it is newer, it was out of "
            f"reach then, or it is a table that names files; prepare again to take it in{hint}"
        )
    return f"no item of this corpus is called {typed}{hint or '; `verdicts.parquet` lists all of them'}"


def _similar(names: Any, typed: str) -> list[str]:
    """Names that a person who mistyped may have meant."""
    wanted = Path(typed).name.lower()
    if len(names) > COMPARED:
        stem = wanted.partition(".")[0]
        third = max(1, len(stem) // 3)
        lower = pc.utf8_lower(names)
        alike = [pc.match_substring(lower, stem[start : start + third]) for start in (0, third, 2 * third)]
        shared = pc.cast(alike[0], pa.int8())
        for each in alike[1:]:
            shared = pc.add(shared, pc.cast(each, pa.int8()))
        names = names.take(pc.array_sort_indices(shared, order="descending")[:COMPARED])
    by_end: dict[str, str] = {}
    for name in names.to_pylist():
        by_end.setdefault(PurePosixPath(name).name.lower(), name)
    return [by_end[end] for end in difflib.get_close_matches(wanted, by_end, SUGGESTIONS)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SUGGESTIONS]) + (", …" if len(names) > SUGGESTIONS else "")
