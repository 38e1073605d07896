"""What became of one item, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from weft.errors import SourceError
from weft.pages.numbers import count
from weft.preparation.report.find import LeftOut, find_item
from weft.preparation.report.shown import parse_name
from weft.preparation.report.verdicts import Verdicts
from weft.storage.corpus import SAMPLES, VERDICTS_FILE, CorpusFolder
from weft.storage.tables import PARTS, read_table

SAMPLES_SHOWN = 20
"""An item of more samples is explained by its counts and a few of each fate."""
OF_EACH = 3


@dataclass(frozen=True, slots=True)
class Other:
    """Another sample, and what became of it; ``verdict`` is ``elsewhere`` where it is not of this corpus."""

    name: str
    verdict: Literal["kept", "rejected", "elsewhere"]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class SampleFate:
    """What became of a sample.

    Attributes:
        sample: Its index in the item, from 0.
        verdict: ``kept`` or ``rejected``.
        stage: Where it was decided.
        reason: Code of the reason of a rejection.
        detail: One sentence about this case.
        excerpt: The offending part of a text.
        split: ``train``, ``validation``, or ``both`` where its end is held out; ``None`` of a rejected one.
        caption: Its caption or prompt, where it is kept and has one.
        tokens: How many it became, where it is kept.
        changes: What was left out of it.
        figures: What was measured.
        duplicate_of: What it repeats.
        stands_for: How many others were rejected for being like it.
    """

    sample: int
    verdict: Literal["kept", "rejected"]
    stage: str
    reason: str | None = None
    detail: str | None = None
    excerpt: str | None = None
    split: str | None = None
    caption: str | None = None
    tokens: int | None = None
    changes: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    duplicate_of: Other | None = None
    stands_for: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of an item.

    Attributes:
        item: Its name.
        verdict: ``read``, ``rejected``, or ``left out`` where it is no item at all.
        stage: Where it was decided; empty for what is left out.
        reason: Code of the reason of a rejection.
        detail: One sentence about this case.
        source: Where it comes from.
        license: Its own, or that of its source.
        samples: How many it holds.
        kept: How many of them are kept.
        rejected: Reason to how many were rejected for it.
        each: The samples, where there are at most 20; else a few of each fate, or the one that was asked for.
    """

    item: str
    verdict: Literal["read", "rejected", "left out"]
    stage: str = ""
    reason: str | None = None
    detail: str | None = None
    source: str | None = None
    license: str | None = None
    samples: int = 0
    kept: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    each: Sequence[SampleFate] = ()


def explain(corpus: CorpusFolder, name: str, sample: int | None = None) -> Explanation:
    """Look an item up, and say what became of it and its samples.

    Args:
        corpus: Where it was offered.
        name: Its name, its path, or the end of its name; ``item#3`` is its sample of index 3.
        sample: Index of the one sample that is asked for, from 0.

    Raises:
        SourceError: There is no such item or sample, or there are several such items.
        FolderError: The corpus is damaged.
    """
    verdicts = Verdicts(corpus.path / VERDICTS_FILE)
    sources = [source.location for source in corpus.sources]
    item, sample = _find(verdicts.item_names(), name, sample, sources)
    if isinstance(item, LeftOut):
        return Explanation(item.name, "left out", detail=item.why)
    own, *rows = verdicts.of_item(item)
    if sample is not None and sample not in {row["sample"] for row in rows}:
        there = f"it has {count(len(rows), 'sample')}, counted from 0" if rows else "it gave none"
        raise SourceError(f"{item} has no sample {sample}: {there}")
    shown = _chosen(rows) if sample is None else [row for row in rows if row["sample"] == sample]
    licenses = {source.location: source.license for source in corpus.sources}
    rejected = Counter(row["reason"] or "" for row in rows if row["verdict"] == "rejected")
    return Explanation(
        item=item,
        verdict=own["verdict"],
        stage=own["stage"],
        reason=own["reason"],
        detail=own["detail"],
        source=own["source"],
        license=own["license"] or licenses.get(own["source"]),
        samples=len(rows),
        kept=sum(row["verdict"] == "kept" for row in rows),
        rejected=dict(sorted(rejected.items(), key=lambda entry: (-entry[1], entry[0]))),
        each=_fates(corpus, verdicts, item, shown),
    )


def _find(names: Any, name: str, sample: int | None, sources: Sequence[str]) -> tuple[str | LeftOut, int | None]:
    """An item by what was typed; ``item#3`` names a sample only where no item is called so."""
    try:
        return find_item(names, name, sources), sample
    except SourceError:
        key = parse_name(name)
        if key is None or sample not in (None, key[1]):
            raise
        return find_item(names, key[0], sources), key[1]


def _chosen(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(rows) <= SAMPLES_SHOWN:
        return list(rows)
    seen: Counter[str | None] = Counter()
    chosen = []
    for row in rows:
        seen[row["reason"]] += 1
        if seen[row["reason"]] <= OF_EACH:
            chosen.append(row)
    return chosen


def _fates(corpus: CorpusFolder, verdicts: Verdicts, item: str, rows: Sequence[dict[str, Any]]) -> list[SampleFate]:
    parts = _parts_of(corpus, item) if any(row["verdict"] == "kept" for row in rows) else {}
    originals = _others(verdicts, [row["duplicate_of"] for row in rows if row["duplicate_of"]])
    stands_for = _counted(verdicts, [f"{item}#{row['sample']}" for row in rows if row["verdict"] == "kept"])
    fates = []
    for row in rows:
        kept = row["verdict"] == "kept"
        part = parts.get(row["sample"], {})
        fates.append(
            SampleFate(
                sample=row["sample"],
                verdict=row["verdict"],
                stage=row["stage"],
                reason=row["reason"],
                detail=row["detail"],
                excerpt=row["excerpt"],
                split=(row["split"] or "both") if kept else None,
                caption=part.get("prompt"),
                tokens=part.get("tokens"),
                changes=row["changes"],
                figures=row["figures"],
                duplicate_of=originals.get(row["duplicate_of"]),
                stands_for=stands_for.get(f"{item}#{row['sample']}", 0),
            )
        )
    return fates


def _parts_of(corpus: CorpusFolder, item: str) -> dict[int, dict[str, Any]]:
    """Caption and number of tokens of the kept samples of an item."""
    table = read_table(corpus.path / SAMPLES, PARTS)
    rows = pc.indices_nonzero(pc.equal(table.column("item"), item))
    lengths = corpus.layer("payload", corpus.codec_hash(corpus.modality)).lengths[np.asarray(rows, dtype=np.int64)]
    found: dict[int, dict[str, Any]] = {}
    for part, tokens in zip(table.take(rows).to_pylist(), lengths.tolist(), strict=True):
        known = found.setdefault(part["sample"], {"prompt": part["prompt"], "tokens": 0})
        known["tokens"] += tokens
    return found


def _others(verdicts: Verdicts, names: Sequence[str]) -> dict[str, Other]:
    """What became of the samples that others repeat."""
    wanted = {key: name for name in names if (key := parse_name(name)) is not None}
    found = {name: Other(name, "elsewhere") for name in names}
    items = pa.array(sorted({item for item, _ in wanted}), pa.string())
    for batch in verdicts.batches(["item", "sample", "verdict", "split"]) if wanted else ():
        few = batch.filter(
            pc.and_(pc.is_in(batch.column("item"), value_set=items), pc.is_valid(batch.column("sample")))
        )
        for row in few.to_pylist():
            name = wanted.get((row["item"], row["sample"]))
            if name is not None:
                split = (row["split"] or "both") if row["verdict"] == "kept" else None
                found[name] = Other(name, row["verdict"], split)
    return found


def _counted(verdicts: Verdicts, names: Sequence[str]) -> dict[str, int]:
    """How many were rejected for being like each of some samples."""
    counts: Counter[str] = Counter()
    wanted = pa.array(names, pa.string())
    for batch in verdicts.batches(["duplicate_of"]) if names else ():
        column = batch.column("duplicate_of")
        counts.update(column.filter(pc.is_in(column, value_set=wanted)).to_pylist())
    return dict(counts)
