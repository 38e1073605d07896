"""From a chapter to what the page shows of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

import weft
from weft.cli.showcase.chapter import Chapter, describe_error
from weft.cli.showcase.chart import Chart, loss_chart
from weft.cli.showcase.figures import Figures, corpus_figures, run_figures, settings_of, time_figures
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.progress import Reporter
from weft.pages.gallery import Gallery, captioned, excerpt
from weft.pages.numbers import count, size
from weft.plugins.registry import Registry
from weft.preparation.pipeline import evenly_spaced
from weft.storage.ownership import DEMO_MEDIA
from weft.storage.summaries import rejection_examples

TEXTS, OTHERS = 3, 12
"""Samples of the source that are shown: texts need more room."""
REJECTIONS = 5
"""Rejections of each reason that are listed."""


@dataclass(frozen=True, slots=True)
class Card:
    """One payload.

    Attributes:
        fragment: HTML of the payload, made by its plugin.
        prompt: What was asked for, or the caption of a sample.
        begun: The beginning that a text was given, where ``rest`` continues it.
        rest: The continuation.
        settings: The sampling options that differ between the artifacts of the page.
    """

    fragment: Markup
    prompt: str | None
    begun: str | None = None
    rest: str = ""
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Cards that belong together: all of one prompt, or all where each has its own."""

    prompt: str | None
    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row of the list of rejections."""

    name: str
    reason: str
    detail: str


@dataclass(slots=True)
class Section:
    """What the page shows of a chapter; what it did not come to is empty.

    Attributes:
        name: Of the modality.
        title: Heading.
        about: What the data is.
        error: Why there is no more of it.
        stage: Where that happened.
        source: Files and bytes of the source.
        samples: Some of what was kept.
        rejected: Some of what was not, and why.
        figures: Of the corpus, the run and the time.
        chart: Loss curves.
        groups: What was generated.
        settings: Sampling options that all artifacts share.
        command: Generates once more.
    """

    name: str
    title: str
    about: str = ""
    error: str | None = None
    stage: str = ""
    source: str = ""
    samples: Sequence[Card] = ()
    rejected: Sequence[Rejected] = ()
    figures: Figures = field(default_factory=list)
    chart: Chart | None = None
    groups: Sequence[Group] = ()
    settings: dict[str, str] = field(default_factory=dict)
    command: str = ""


def view(chapter: Chapter, registry: Registry, reporter: Reporter) -> Section:
    """Show a chapter; a plugin that cannot show its payloads ends the section where it fails."""
    section = Section(chapter.name, chapter.demo.title if chapter.demo else chapter.name)
    with chapter.guarded(reporter):
        _fill(section, chapter, registry)
    if chapter.error is not None:
        section.error, section.stage = describe_error(chapter.error), chapter.stage
    return section


def _fill(section: Section, chapter: Chapter, registry: Registry) -> None:
    if chapter.demo is not None:
        section.about = chapter.demo.about
    source = chapter.folder / "source"
    if source.is_dir():
        files = [path for path in source.rglob("*") if path.is_file()]
        section.source = f"{count(len(files), 'file')}, {size(sum(path.stat().st_size for path in files))}"
    corpus, run = chapter.corpus, chapter.run
    if chapter.error is None:
        chapter.stage = "page"
    media = Gallery(chapter.folder.parent / DEMO_MEDIA, chapter.name)
    if corpus is not None:
        section.figures += corpus_figures(corpus.summary())
        section.rejected = rejections(corpus)
        section.samples = sample_cards(corpus, registry.payload_format(chapter.name), media)
    if run is not None:
        section.figures += run_figures(run.summary())
        section.chart = loss_chart(run.folder.metrics())
    section.figures += time_figures(chapter.seconds)
    if chapter.artifacts:
        assert run is not None
        section.settings, section.groups = artifact_groups(chapter.artifacts, media)
        section.command = command_for(chapter.artifacts[0], registry.generator(chapter.name).defaults, run.path)


def sample_cards(corpus: weft.Corpus, payload_format: PayloadFormat[Any], media: Gallery) -> list[Card]:
    """Some samples of the training part, with different prompts as far as there are any."""
    samples = corpus.folder.samples(payload_format, "train")
    if not samples:
        return []
    prompts = [corpus.folder.prompts[row] for row in corpus.folder.rows("train").tolist()]
    firsts: dict[str | None, int] = {}
    for place, prompt in enumerate(prompts):
        firsts.setdefault(prompt, place)
    most = TEXTS if isinstance(samples[0].payload, str) else OTHERS
    places = evenly_spaced(list(firsts.values()) if len(firsts) >= most else range(len(samples)), most)
    return [
        Card(media.show(excerpt(sample.payload), payload_format, captioned("Sample", sample.prompt)), sample.prompt)
        for sample in (samples[place] for place in places)
    ]


def rejections(corpus: weft.Corpus) -> list[Rejected]:
    """Files and samples that were turned away."""
    return [
        Rejected(
            row["item"] + (f", sample {row['sample'] + 1}" if row.get("sample") else ""),
            row["reason"],
            row.get("detail", ""),
        )
        for row in rejection_examples(corpus.folder, REJECTIONS)
    ]


def artifact_groups(artifacts: Sequence[weft.Artifact[Any]], media: Gallery) -> tuple[dict[str, str], Sequence[Group]]:
    """The settings that all share, and the artifacts by prompt, each with the settings that it does not share."""
    every = [settings_of(artifact) for artifact in artifacts]
    common = {name: value for name, value in every[0].items() if all(other.get(name) == value for other in every)}
    groups: dict[str | None, list[Card]] = {}
    for artifact, settings in zip(artifacts, every, strict=True):
        own = {name: value for name, value in settings.items() if name not in common}
        groups.setdefault(artifact.prompt, []).append(_card(artifact, own, media))
    if all(len(cards) == 1 for cards in groups.values()):
        return common, [Group(None, [card for cards in groups.values() for card in cards])]
    return common, [Group(prompt, cards) for prompt, cards in groups.items()]


def _card(artifact: weft.Artifact[Any], settings: dict[str, str], media: Gallery) -> Card:
    fragment = media.show(artifact.payload, artifact.format, captioned("Generated", artifact.prompt))
    payload, prompt = artifact.payload, artifact.prompt
    if isinstance(payload, str) and prompt and payload.startswith(prompt):
        return Card(fragment, prompt, prompt, payload.removeprefix(prompt), settings)
    return Card(fragment, prompt, settings=settings)


def command_for(artifact: weft.Artifact[Any], defaults: weft.SamplingOptions, run: Path) -> str:
    """The command line that generates an artifact again; options at the modality's default are left out."""
    options = artifact.settings
    flags = [
        part
        for name in options.__dataclass_fields__
        if name not in ("n", "stop") and (value := getattr(options, name)) != getattr(defaults, name)
        for part in (f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value))
    ]
    prompt = [] if artifact.prompt is None else [artifact.prompt]
    return shlex.join(["weft", "generate", str(run), *prompt, *flags])
