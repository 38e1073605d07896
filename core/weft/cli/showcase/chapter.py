"""The whole way of one modality: source, corpus, run, artifacts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import weft
from weft.cli.generate import to_json
from weft.errors import PluginError, WeftError
from weft.interfaces.progress import Reporter
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure
from weft.plugins.registry import Registry
from weft.storage.atomic import write_text


@dataclass(frozen=True, slots=True)
class Wishes:
    """What holds for every modality of a demo.

    Attributes:
        seed: Of the sources, the split, the training, and of requests that name none of their own.
        steps: Optimizer steps, instead of each demo's minutes.
    """

    seed: int = 0
    steps: int | None = None


@dataclass(slots=True)
class Chapter:
    """How far the demo of one modality came.

    Attributes:
        name: Of the modality.
        folder: Where all of it lies.
        demo: What the plugin brings; ``None`` where it cannot be loaded.
        corpus: Once it is prepared.
        run: Once it is trained.
        artifacts: In the order of the requests.
        seconds: Wall time of each stage that is over.
        stage: The last stage that was begun.
        error: What ended it before its end.
    """

    name: str
    folder: Path
    demo: weft.Demo | None = None
    corpus: weft.Corpus | None = None
    run: weft.Run | None = None
    artifacts: list[weft.Artifact[Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    stage: str = "load"
    error: BaseException | None = None

    @contextmanager
    def doing(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        self.stage = stage
        began = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - began

    @contextmanager
    def guarded(self, reporter: Reporter) -> Iterator[None]:
        """Keep what a plugin raises, so that it ends this modality alone."""
        try:
            yield
        except FOREIGN_ERRORS as error:
            self.error = self.error or error
            reporter.warn(f"the demo of {self.name} failed ({self.stage}): {describe_error(error)}")


def tell(name: str, folder: Path, wishes: Wishes, registry: Registry, reporter: Reporter) -> Chapter:
    """Go the whole way; what goes wrong is in the chapter's ``error``."""
    chapter = Chapter(name, folder)
    with chapter.guarded(reporter):
        chapter.demo = _demo(name, registry)
        _tell(chapter, chapter.demo, wishes, reporter)
    return chapter


def describe_error(error: BaseException) -> str:
    """One line for the page and the terminal."""
    return str(error) if isinstance(error, WeftError) else f"it {describe_failure(error)}"


def _demo(name: str, registry: Registry) -> weft.Demo:
    demo = registry.demo(name)
    if demo is None:
        raise PluginError(f"the modality {name!r} brings no demo")
    return demo


def _tell(chapter: Chapter, demo: weft.Demo, wishes: Wishes, reporter: Reporter) -> None:
    folder, seed = chapter.folder, wishes.seed
    source = folder / "source"
    source.mkdir(parents=True)
    reporter.note(f"making raw files in {source}")
    with chapter.doing("source"):
        demo.write_source(source, seed)
    with chapter.doing("prepare"):
        chapter.corpus = weft.prepare(
            source, out=folder / "corpus", modality=chapter.name, options=demo.options, seed=seed, reporter=reporter
        )
    with chapter.doing("train"):
        budget: weft.TrainOptions = {"minutes": demo.minutes} if wishes.steps is None else {"steps": wishes.steps}
        budget["seed"] = seed
        chapter.run = weft.train(chapter.corpus, out=folder / "run", reporter=reporter, **budget)
    with chapter.doing("generate"):
        requests = demo.requests()
        with reporter.task(f"generating {chapter.name}", len(requests), "request") as task:
            for request in requests:
                options: Mapping[str, Any] = {"seed": seed, **request.sampling}
                chapter.artifacts += chapter.run.generate(request.prompt, n=request.n, **options)
                task.advance()
        _save(chapter)


def _save(chapter: Chapter) -> None:
    """Write every artifact, and a line of JSON about each."""
    folder = chapter.folder / "generated"
    lines = []
    for number, artifact in enumerate(chapter.artifacts, 1):
        path = artifact.save(folder, f"{number:02d}-seed-{artifact.seed}")
        lines.append(json.dumps(to_json(artifact, path.relative_to(folder)), ensure_ascii=False) + "\n")
    folder.mkdir(exist_ok=True)
    write_text(folder / "artifacts.jsonl", "".join(lines))
