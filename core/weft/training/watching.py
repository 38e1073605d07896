"""What watches the training of a run, in order: progress, the log, TensorBoard, previews, and what plugins add."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from weft.interfaces.callback import Callback
from weft.interfaces.generator import Artifact
from weft.interfaces.progress import Reporter, Task
from weft.models.transformer import Transformer
from weft.plugins.registry import Registry
from weft.storage.codecs import load_codec
from weft.storage.run import PREVIEWS, RunFolder
from weft.training.callbacks import LogMetrics, ShowEvaluation, ShowProgress, StartStep
from weft.training.data import TokenSource
from weft.training.foreign import ForeignCallback, foreign_callbacks
from weft.training.loop import Loop
from weft.training.previews import Draw, MakePreviews, choose_requests
from weft.training.settings import RunSettings
from weft.training.tensorboard import TensorBoardEvents
from weft.training.throughput import Speed, peak_of

Painter: TypeAlias = Callable[[RunFolder, torch.device], Draw]
"""Generation for a run that is trained on a device: handed in, since training knows nothing of it."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Callbacks around the one that saves.

    Attributes:
        log: Whose unlogged figures belong to a checkpoint.
        before: Called before a checkpoint is saved; what they wrote is there when it is.
        after: Called after it.
        foreign: Those of them that plugins bring.
    """

    log: LogMetrics
    before: Sequence[Callback]
    after: Sequence[Callback]
    foreign: Sequence[ForeignCallback]

    def check(self) -> None:
        """Raise :class:`weft.TrainingError` where a callback of a plugin has raised."""
        for each in self.foreign:
            each.check()


def make_watchers(
    *,
    loop: Loop,
    folder: RunFolder,
    settings: RunSettings,
    sources: Sequence[TokenSource],
    registry: Registry,
    painter: Painter | None,
    notes: Mapping[str, Any],
    task: Task,
    reporter: Reporter,
) -> Watchers:
    """The callbacks of a run.

    Args:
        loop: At the step that it goes on from.
        folder: Of the run.
        settings: Of the run.
        sources: What it learns from.
        registry: Where codecs and callbacks of plugins come from.
        painter: Makes previews; ``None`` for none.
        notes: Of the checkpoint that it goes on from.
        task: Shows progress.
        reporter: Told of evaluations.

    Raises:
        OptionError: TensorBoard is asked for and not installed.
        PluginError: A callback of a plugin cannot be made.
    """
    world = loop.world
    speed = Speed(loop.model, settings.batch_size, peak_of(loop.device, settings.autocast), world.size)
    events = TensorBoardEvents(folder.path, loop.step) if settings.tensorboard and world.is_main else None
    best = notes.get("best")
    log = LogMetrics(
        folder,
        notes.get("unlogged", ()),
        peak_rate=settings.learning_rate,
        speed=speed,
        tell=[] if events is None else [events.write],
    )
    before: list[Callback] = [
        ShowProgress(task, speed),
        log,
        ShowEvaluation(reporter, best["loss"] if best else math.inf),
    ]
    if painter is not None and settings.previews and isinstance(loop.model, Transformer):
        show = _nowhere if events is None else events.show
        before.append(_previews(loop, folder, settings, sources, registry, painter, show, reporter))
    foreign = foreign_callbacks(registry, loop)
    return Watchers(log, before, [*foreign, *([] if events is None else [events]), StartStep(speed)], foreign)


def _previews(
    loop: Loop,
    folder: RunFolder,
    settings: RunSettings,
    sources: Sequence[TokenSource],
    registry: Registry,
    painter: Painter,
    show: Callable[[int, Sequence[Artifact[Any]]], None],
    reporter: Reporter,
) -> MakePreviews:
    text_codec = load_codec(folder.codec_folder("text"), registry) if "text" in folder.manifest.codecs else None
    return MakePreviews(
        loop=loop,
        folder=folder.path / PREVIEWS,
        requests=choose_requests(sources, text_codec, settings.previews, settings.seed),
        draw=painter(folder, loop.device),
        title=f"Previews of {folder.path.name}",
        show=show,
        reporter=reporter,
    )


def _nowhere(step: int, artifacts: Sequence[Artifact[Any]]) -> None:
    """Previews are in their folder."""
