"""Everything that the page and the data card tell of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]

from weft._version import __version__
from weft.interfaces.codec import CodecFacts
from weft.pages.gallery import Gallery
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure
from weft.plugins.registry import Registry
from weft.preparation.report.clusters import Clusters, find_clusters
from weft.preparation.report.filters import filters_of
from weft.preparation.report.funnel import Funnel, make_funnel
from weft.preparation.report.histogram import Histogram, histogram
from weft.preparation.report.provenance import (
    LicenseView,
    Making,
    SourceView,
    left_out,
    license_views,
    making,
    source_views,
)
from weft.preparation.report.rejections import ReasonView, view_reasons
from weft.preparation.report.round_trips import RoundTrips, round_trips
from weft.preparation.report.shown import Card, Payloads
from weft.preparation.report.tokens import Captions, Tokens, caption_statistics, token_statistics
from weft.preparation.report.verdicts import Verdicts
from weft.preparation.report.words import FILTER, source_title, stage_order
from weft.storage.corpus import REPORT_MEDIA, VERDICTS_FILE, CorpusFolder
from weft.storage.tokens import TokenLayer

KEPT_SHOWN = 4
MOST_MEDIA_BYTES = 24 << 20
"""Once the files beside the page hold so much, no further payload is shown."""


@dataclass(frozen=True, slots=True)
class FilterView:
    """A filter, where its rule is from, and how many samples it turned away."""

    name: str
    source: str
    rejected: int


@dataclass(frozen=True, slots=True)
class Change:
    """What was left out of samples that are kept, and of how many."""

    code: str
    samples: int
    example: str
    detail: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything.

    Attributes:
        title: What the corpus was made from.
        modality: Of the payloads.
        counts: As in the manifest.
        held_out: How validation was held out.
        funnel: Stage by stage.
        kept: A few kept samples.
        reasons: Why others were turned away.
        clusters: Samples that were like others.
        filters: Those that judged.
        changes: What was left out of kept samples.
        figures: What was measured.
        constant: What was measured and is the same of every sample.
        captions: ``None`` where there are none.
        tokens: Of the payloads.
        trips: Through the codec; ``None`` where it cannot be loaded.
        trouble: Why it cannot.
        sources: Where it comes from.
        licenses: Under which.
        left_out: What was no item.
        making: How to make it again.
        manifest: ``corpus.json``.
        weft: Version that made the page.
    """

    title: str
    modality: str
    counts: Mapping[str, Any]
    held_out: str
    funnel: Funnel
    kept: Sequence[Card]
    reasons: Sequence[ReasonView]
    clusters: Clusters | None
    filters: Sequence[FilterView]
    changes: Sequence[Change]
    figures: Sequence[Histogram]
    constant: Sequence[tuple[str, float]]
    captions: Captions | None
    tokens: Tokens
    trips: RoundTrips | None
    trouble: str
    sources: Sequence[SourceView]
    licenses: Sequence[LicenseView]
    left_out: Sequence[str]
    making: Making
    manifest: Mapping[str, Any]
    weft: str = __version__


def view_corpus(corpus: CorpusFolder, folder: Path, registry: Registry) -> View:
    """Gather it, and write the files that the page refers to.

    Args:
        corpus: The corpus.
        folder: Where the page will be.
        registry: Knows how payloads are shown.
    """
    verdicts = Verdicts(corpus.path / VERDICTS_FILE)
    gallery = Gallery(folder / REPORT_MEDIA, corpus.modality, MOST_MEDIA_BYTES)
    payloads = Payloads(corpus, registry.payload_format(corpus.modality), gallery)
    filters = filters_of(corpus, registry)
    layer = corpus.layer("payload", corpus.codec_hash(corpus.modality))
    entry = corpus.manifest["codecs"][corpus.modality]
    figures, constant = _figures(verdicts)
    kept = _kept(payloads)
    facts, trips, trouble = _through_codec(corpus, payloads, layer, registry)
    return View(
        title=source_title(corpus.sources),
        modality=corpus.modality,
        counts=corpus.manifest["counts"],
        held_out=corpus.manifest["held_out"],
        funnel=make_funnel(verdicts, stage_order(filters)),
        kept=kept,
        trips=trips,
        trouble=trouble,
        clusters=find_clusters(verdicts, payloads),
        reasons=view_reasons(verdicts, payloads),
        filters=_filters(filters, verdicts),
        changes=_changes(verdicts),
        figures=figures,
        constant=constant,
        captions=caption_statistics(payloads.parts),
        tokens=token_statistics(corpus.modality, entry, layer, facts),
        sources=source_views(corpus, verdicts),
        licenses=license_views(corpus, verdicts),
        left_out=left_out(corpus.manifest["counts"]),
        making=making(corpus),
        manifest=corpus.manifest,
    )


def _through_codec(
    corpus: CorpusFolder, payloads: Payloads, layer: TokenLayer, registry: Registry
) -> tuple[CodecFacts | None, RoundTrips | None, str]:
    """Facts of the codec and a few round trips, or why there are none: the corpus is whole without them."""
    facts = None
    try:
        codec = corpus.codec(corpus.modality, registry)
        facts = codec.facts()
        return facts, round_trips(payloads, codec, layer), ""
    except FOREIGN_ERRORS as error:
        return facts, None, f"The codec {describe_failure(error)}."


def _kept(payloads: Payloads) -> list[Card]:
    rows = np.flatnonzero(np.asarray(payloads.parts.column("part")) == 0)
    chosen = rows[np.linspace(0, len(rows) - 1, min(KEPT_SHOWN, len(rows)), dtype=np.int64)]
    cards = []
    for row in chosen.tolist():
        key, data, caption = payloads.kept(row)
        cards.append(payloads.card(key, data, what="Kept", caption=caption))
    return cards


def _filters(filters: Sequence[Any], verdicts: Verdicts) -> list[FilterView]:
    rejected: Counter[str] = Counter()
    for group in verdicts.groups("stage", "verdict"):
        stage, verdict = group.values
        if verdict == "rejected" and stage.startswith(FILTER):
            rejected[stage.removeprefix(FILTER)] += group.count
    sources = {each.name: each.source for each in filters}
    names = [*sources, *sorted(set(rejected) - set(sources))]
    return [FilterView(name, sources.get(name, ""), rejected[name]) for name in names]


def _changes(verdicts: Verdicts) -> list[Change]:
    """What filters left out of samples, by the code of the reason: how many, and the first of them."""
    samples: Counter[str] = Counter()
    firsts: dict[str, tuple[str, str]] = {}
    for batch in verdicts.batches(["item", "changes"]):
        changed = batch.filter(pc.greater(pc.fill_null(pc.list_value_length(batch.column("changes")), 0), 0))
        for row in changed.to_pylist():
            parts = [change.partition(": ") for change in row["changes"]]
            samples.update({code for code, _, _ in parts})
            for code, _, detail in parts:
                firsts.setdefault(code, (row["item"], detail))
    return [Change(code, number, *firsts[code]) for code, number in sorted(samples.items(), key=_most_frequent)]


def _most_frequent(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def _figures(verdicts: Verdicts) -> tuple[list[Histogram], list[tuple[str, float]]]:
    """Pictures of what was measured, and what was the same of every sample."""
    pictures: list[Histogram] = []
    constant: list[tuple[str, float]] = []
    for name, (kept, rejected) in sorted(verdicts.figures().items()):
        label = name.replace("_", " ")
        picture = histogram(label, kept, rejected)
        if picture is not None:
            pictures.append(picture)
        elif len(kept) or len(rejected):
            constant.append((label, float((kept if len(kept) else rejected)[0])))
    return pictures, constant
