"""What a corpus is, in a few lines for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.cli.rows import aligned
from weft.errors import PluginError
from weft.pages.numbers import count
from weft.plugins.options import describe
from weft.plugins.registry import get_registry
from weft.preparation.report.provenance import left_out
from weft.storage.corpus import REPORT

SOURCES = 5
"""Sources that are listed."""


def corpus_text(summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Lines on what ``Corpus.summary`` gave, the page that shows more, and the command that comes next."""
    modality = summary["modalities"][0]
    yield f"{path}: a corpus of {modality}, {count(summary['kept'])} of {count(summary['samples'], 'sample')} kept"
    yield ""
    yield from aligned(_rows(summary))
    yield ""
    if (path / REPORT).is_file():
        yield f"report  {path / REPORT}"
    yield f"next    {shlex.join(['weft', 'train', str(path), '--out', str(Path('runs') / path.resolve().name)])}"


def _rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    yield "from", _sources(summary)
    read = f"{count(summary['items'], 'item')} offered (files, rows of tables, members of archives), "
    yield "items", [f"{read}{count(summary['items_read'])} read", *_reasons(summary, of_items=True)]
    rejected = sum(summary["rejected"].values())
    kept = f"{count(summary['samples'])} in the items, {count(summary['kept'])} kept, {count(rejected)} rejected"
    yield "samples", [kept, *_reasons(summary, of_items=False)]
    if summary["captioned"] or summary["modalities"] != ["text"]:
        yield "captions", [_captions(summary)]
    if summary.get("screened"):
        yield "screened", [_screened(summary["screened"])]
    parts = summary["parts"]
    split = f"{count(parts['train'], 'part')} of samples to train on, {count(parts['validation'])} to validate with"
    yield "split", [f"{split} (held out: {summary['held_out']})"]
    yield "tokens", [count(summary["tokens"])]
    yield "codec", [_codec(name, entry) for name, entry in summary["codecs"].items()]
    options = _unusual(summary["modalities"][0], summary["options"])
    if options:
        yield "options", [" ".join(f"{name}={_option(value)}" for name, value in options.items())]
    extra = left_out({"auxiliary": summary["auxiliary"], "table_rows": summary["table_rows"]})
    if extra:
        yield "left out", ["; ".join(extra)]
    yield "hash", [summary["sha256"]]


def _sources(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    for source in summary["sources"][:SOURCES]:
        said = [f"license {source['license']}"] if source.get("license") else []
        said += [f"weight {source['weight']:g}"] if source.get("weight", 1) != 1 else []
        lines.append(" ".join([source["location"], *([f"({', '.join(said)})"] if said else [])]))
    more = len(summary["sources"]) - SOURCES
    return [*lines, f"and {count(more)} more"] if more > 0 else lines


def _reasons(summary: Mapping[str, Any], *, of_items: bool) -> Iterator[str]:
    """A line for each reason, with the first that was turned away for it."""
    counts = summary["items_rejected" if of_items else "rejected"]
    width = max((len(count(number)) for number in counts.values()), default=0)
    name_width = max(map(len, counts), default=0)
    for reason, number in counts.items():
        yield f"{count(number):>{width}} {reason:<{name_width}}  {_example(summary, reason, of_items)}".rstrip()


def _example(summary: Mapping[str, Any], reason: str, of_items: bool) -> str:
    for each in summary["examples"]:
        if each["reason"] == reason and ("sample" not in each) == of_items:
            name = each["item"] + (f"#{each['sample']}" if each.get("sample") else "")
            return f"{name}: {each['detail']}" if each.get("detail") else name
    return ""


def _captions(summary: Mapping[str, Any]) -> str:
    captioned, kept = summary["captioned"], summary["kept"]
    if not captioned:
        return "none of the kept samples has one"
    return f"{'all' if captioned == kept else f'{count(captioned)} of {count(kept)}'} kept samples have one"


def _screened(screened: Mapping[str, Any]) -> str:
    harm = "harmful text left out" if screened.get("harm") else "harmful text not looked for"
    return ", ".join([harm, *(f"filter {name}" for name in screened.get("filters", ()))])


def _codec(modality: str, entry: Mapping[str, Any]) -> str:
    quality = "".join(f", {name} {value:.4g}" for name, value in entry["quality"].items())
    learned = f", learned in {count(entry['steps'], 'step')}" if entry.get("steps") else ""
    return f"{entry['name']} of {modality}: {count(entry['vocab_size'], 'id')}{learned}{quality}"


def _unusual(modality: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options that are not what they are by default; all where the plugin that knows is not there."""
    try:
        rows = describe(get_registry().options_class(modality))
    except PluginError:
        return options
    usual = {f"{modality}.{row.name}": row.default for row in rows}
    return {name: value for name, value in options.items() if usual.get(name) != _option(value)}


def _option(value: Any) -> str:
    """A value as ``--set`` takes it."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
