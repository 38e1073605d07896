"""Where a corpus comes from and how it was made: sources, licenses, options, what was left out."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.pages.numbers import count
from weft.preparation.report.verdicts import Verdicts
from weft.storage.corpus import CorpusFolder, SourceEntry

LICENSES = 30
"""Licenses that are listed; items may each bring their own words."""
NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source and what came of it."""

    entry: SourceEntry
    items: int
    kept: int
    rejected: int


@dataclass(frozen=True, slots=True)
class LicenseView:
    """A license, and how much is under it."""

    name: str
    items: int
    kept: int


@dataclass(frozen=True, slots=True)
class Making:
    """How to make the corpus again.

    Attributes:
        command: One line.
        options: A TOML file for it; empty where the modality has no options.
        left_to_codec: Options without a value.
    """

    command: str
    options: str
    left_to_codec: Sequence[str]


def source_views(corpus: CorpusFolder, verdicts: Verdicts) -> list[SourceView]:
    """Every source with its counts; a source that items name and the manifest does not is listed as well."""
    tallies: dict[str, Counter[str]] = {}
    for group in verdicts.groups("source", "is_item", "verdict"):
        source, is_item, verdict = group.values
        tallies.setdefault(source or "", Counter())["items" if is_item else verdict] += group.count
    entries = {entry.location: entry for entry in corpus.sources}
    for location in tallies:
        entries.setdefault(location, SourceEntry(location))
    empty: Counter[str] = Counter()
    views = []
    for location, entry in entries.items():
        tally = tallies.get(location, empty)
        views.append(SourceView(entry, tally["items"], tally["kept"], tally["rejected"]))
    return [view for view in views if view.items or view.entry.location]


def license_views(corpus: CorpusFolder, verdicts: Verdicts) -> list[LicenseView]:
    """Items and kept samples by license: their own, or that of their source."""
    of_source = {entry.location: entry.license for entry in corpus.sources}
    tallies: dict[str, Counter[str]] = {}
    for group in verdicts.groups("license", "source", "is_item", "verdict"):
        own, source, is_item, verdict = group.values
        name = own or of_source.get(source) or NOT_STATED
        tallies.setdefault(name, Counter())["items" if is_item else verdict] += group.count
    views = [LicenseView(name, tally["items"], tally["kept"]) for name, tally in tallies.items()]
    views.sort(key=lambda view: (-view.kept, -view.items, view.name))
    rest = views[LICENSES:]
    if rest:
        other = LicenseView(f"{count(len(rest))} others", sum(v.items for v in rest), sum(v.kept for v in rest))
        return [*views[:LICENSES], other]
    return views


def making(corpus: CorpusFolder) -> Making:
    """The command line and the options file that give this corpus."""
    manifest = corpus.manifest
    prefix = f"{corpus.modality}."
    options = {name.removeprefix(prefix): value for name, value in manifest["options"].items()}
    lines = [f"{name} = {_toml(value)}" for name, value in options.items() if value is not None]
    words = ["weft", "prepare", *(source.location for source in corpus.sources), "--out", "CORPUS"]
    words += ["--modality", corpus.modality, "--seed", str(manifest["seed"])]
    words += _judging(manifest)
    words += ["--config", "options.toml"] if lines else []
    return Making(
        command=shlex.join(words),
        options="\n".join([f"[{corpus.modality}]", *lines]) if lines else "",
        left_to_codec=[name for name, value in options.items() if value is None],
    )


def _judging(manifest: Mapping[str, Any]) -> list[str]:
    """Options of what else was decided by: harm, fitted filters, other corpora, a license for all."""
    screened = manifest.get("screened") or {}
    words = [] if screened.get("harm", True) else ["--harm", "off"]
    words += [word for name in screened.get("filters", ()) for word in ("--filter", name)]
    words += [word for corpus in manifest.get("excluded", ()) for word in ("--exclude", corpus)]
    for key in ("license", "origin"):
        values = {source.get(key) for source in manifest["sources"]}
        value = values.pop() if len(values) == 1 else None
        words += [f"--{key}", value] if value else []
    return words


def left_out(counts: Mapping[str, Any]) -> list[str]:
    """What is no item: auxiliary files and rows of tables, a phrase each."""
    rows = counts.get("table_rows", {})
    said = [
        (counts.get("auxiliary", 0), "{} hidden, README, LICENSE or system {}", "file or folder", "files and folders"),
        (rows.get("unmatched", 0), "{} {} that name a file that is not there", "row of a table", "rows of tables"),
        (rows.get("repeated", 0), "{} {} on a file that an earlier row describes", "row of a table", "rows of tables"),
        (rows.get("broken", 0), "{} {} that cannot be read", "row of a table", "rows of tables"),
    ]
    return [text.format(count(number), one if number == 1 else many) for number, text, one, many in said if number]


def _toml(value: Any) -> str:
    # What options may be (strings, numbers, booleans, lists of them) is written the same way in JSON and in TOML.
    return json.dumps(value, ensure_ascii=False)
