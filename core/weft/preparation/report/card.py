"""The data card: Markdown in the layout of the dataset cards of the Hugging Face Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from weft.pages.numbers import count, figure
from weft.preparation.report.provenance import NOT_STATED
from weft.preparation.report.view import View

KNOWN_LICENSES = frozenset(
    {
        *("apache-2.0", "mit", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
        *("cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "bsd", "bsd-2-clause", "bsd-3-clause"),
        *("unlicense", "wtfpl", "isc", "zlib", "ofl-1.1", "odbl", "odc-by", "pddl", "gpl-3.0", "lgpl-3.0", "mpl-2.0"),
    }
)
"""Identifiers that the Hub knows and that licenses of data are likely to be."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(view: View) -> str:
    """The card of a corpus."""
    sections = [
        _head(view),
        _intro(view),
        _contents(view),
        _making(view),
        _counts(view),
        _licenses(view),
        _limits(view),
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def size_category(samples: int) -> str:
    """The size class of the Hub."""
    return next((name for most, name in _SIZES if samples < most), "1M<n<10M" if samples < 10_000_000 else "n>10M")


def license_identifiers(names: Iterable[str]) -> list[str]:
    """What the Hub calls these licenses: ``other`` where it has no name for one, ``unknown`` where none is stated."""
    found = set()
    for name in names:
        plain = re.sub(r"[\s_]+", "-", name.strip().lower())
        found.add("unknown" if name == NOT_STATED else plain if plain in KNOWN_LICENSES else "other")
    return sorted(found)


def _head(view: View) -> str:
    licenses = license_identifiers(each.name for each in view.licenses if each.kept)
    lines = [
        "---",
        *_yaml_list("license", licenses),
        f"pretty_name: {json.dumps(view.title, ensure_ascii=False)}",
        *_yaml_list("modality", [view.modality]),
        *_yaml_list("size_categories", [size_category(view.counts["kept"])]),
        *_yaml_list("tags", ["weft", view.modality]),
        "---",
    ]
    return "\n".join(lines)


def _intro(view: View) -> str:
    counts = view.counts
    return (
        f"# {_plain(view.title)}\n\n"
        f"A corpus of {view.modality}, prepared with Weft {view.weft}: {counts['kept']:,} samples of "
        f"{counts['samples']:,} that {counts['items']:,} items held, and {view.tokens.total:,} tokens. "
        "`report.html` shows it."
    )


def _contents(view: View) -> str:
    rows = [
        ("`payloads/`", "the cleaned samples, in Parquet files with one column of bytes"),
        ("`samples.parquet`", "item, index, side of the split, caption and hash of each, in the same order"),
        ("`verdicts.parquet`", "what became of every item and sample: verdict, stage, reason, figures, license"),
        ("`examples.parquet`", "a few rejected samples of each reason"),
        ("`tokens/`", "the samples as token ids, in .npy files"),
        ("`codecs/`", "what turns samples into tokens and back"),
        ("`corpus.json`", "counts, options, hashes"),
    ]
    split = (
        f"Held out for validation ({view.held_out}): {view.counts['validation']:,} of {view.counts['parts']:,} parts. "
        f"{_captions(view)}"
    )
    return f"## Contents\n\n{_table(('file', 'holds'), rows)}\n\n{split}"


def _captions(view: View) -> str:
    if view.captions is None:
        return "Samples have no captions or prompts."
    captions = view.captions
    return f"{captions.captioned:,} samples have a caption or prompt, {captions.different:,} of them different."


def _making(view: View) -> str:
    parts = ["## How it was made", _fenced(view.making.command, "sh")]
    if view.making.options:
        parts += ["with `options.toml`, derived options included:", _fenced(view.making.options, "toml")]
    if view.making.left_to_codec:
        parts.append(f"Without a value: {', '.join(map(_code, view.making.left_to_codec))}.")
    entry = view.manifest["codecs"][view.modality]
    quality = ", ".join(f"{name} {figure(value)}" for name, value in view.tokens.quality)
    learned = view.manifest.get("learned_with") or {}
    where = f" on {learned['device']} with {count(learned['threads'], 'thread')}" if learned else ""
    steps = f", learned in {count(entry['steps'], 'step')}{where}" if entry.get("steps") else ""
    parts.append(
        f"Codec: {_code(view.tokens.codec)}, {view.tokens.vocab_size:,} ids{steps}{'; ' + quality if quality else ''}."
    )
    parts.append(f"Content hash: `{view.manifest['sha256']}`.")
    return "\n\n".join(parts)


def _counts(view: View) -> str:
    counts = view.counts
    rows = [
        ("items offered", f"{counts['items']:,}"),
        ("items read", f"{counts['items_read']:,}"),
        ("samples in them", f"{counts['samples']:,}"),
        ("samples kept", f"{counts['kept']:,}"),
        ("parts to train on", f"{counts['train']:,}"),
        ("parts to validate with", f"{counts['validation']:,}"),
    ]
    parts = ["## Counts", _table(("what", "how many"), rows)]
    if view.reasons:
        reasons = [
            (_code(each.code), "items" if each.is_item else "samples", f"{each.count:,}", ", ".join(each.stages))
            for each in view.reasons
        ]
        parts += ["Turned away:", _table(("reason", "of", "how many", "where"), reasons)]
    if view.left_out:
        parts.append(f"No items at all: {'; '.join(view.left_out)}.")
    return "\n\n".join(parts)


def _licenses(view: View) -> str:
    sources = [
        (
            _code(each.entry.location),
            f"{each.items:,}",
            f"{each.kept:,}",
            each.entry.license or NOT_STATED,
            each.entry.origin or "",
        )
        for each in view.sources
    ]
    licenses = [(each.name, f"{each.items:,}", f"{each.kept:,}") for each in view.licenses]
    return "\n\n".join(
        [
            "## Sources and licenses",
            _table(("source", "items", "samples kept", "license", "origin"), sources),
            _table(("license", "items", "samples kept"), licenses),
        ]
    )


def _limits(view: View) -> str:
    lines = [
        "Filters miss things, and turn away some that are fine; `docs/filters.md` of Weft says which, and how often on "
        "planted data.",
        "Duplicates are found by how alike samples are, not by what they mean: the same thing told or shown in another "
        "way is not one.",
    ]
    unknown = next((each.kept for each in view.licenses if each.name == NOT_STATED), 0)
    if unknown:
        lines.append(f"The license of {unknown:,} kept samples is not stated: find out before you pass them on.")
    if not view.counts["validation"]:
        lines.append("Nothing is held out, so overfitting cannot be noticed.")
    return "## Known limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _yaml_list(name: str, values: Sequence[str]) -> list[str]:
    return [f"{name}:", *(f"- {value}" for value in values)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join((text if text.startswith("`") else _plain(text)).replace("|", "\\|").split())


def _plain(text: str) -> str:
    """Words that Markdown shows as they stand, on one line."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """A name as code, whatever backticks are in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
