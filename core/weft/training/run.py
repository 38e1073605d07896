"""Stage 2 as a whole: from token sources to a run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from weft._version import __version__
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import FolderError, OptionError, TrainingError
from weft.interfaces.progress import Reporter
from weft.models.allocation import freed_memory_kept
from weft.models.config import ModelConfig
from weft.models.device import cpu_threads, enough_memory
from weft.pages.numbers import count
from weft.plugins.registry import get_registry
from weft.storage.atomic import check_target
from weft.storage.checkpoints import TrainingState
from weft.storage.keep import Keep
from weft.storage.lock import locked
from weft.storage.run import RunFolder, RunManifest
from weft.storage.summaries import memorizing
from weft.training.agreement import check_same_corpora
from weft.training.decisions import Decisions, decide, describe, held_out_rows, training_rows
from weft.training.keeping import KeepCheckpoints, SaveClock, ending_well
from weft.training.loop import Loop
from weft.training.material import Material
from weft.training.older import named_by_parameter, with_table_adapters
from weft.training.options import TrainOptions, differences, free_options
from weft.training.settings import RunSettings
from weft.training.starting import Start, inherited, open_start, starting_point
from weft.training.watching import Painter, make_watchers
from weft.training.world import World, is_lost_connection

MEMORY_ADVICE = "compute a step in more micro-batches, or choose a smaller batch, context or size"

_AMOUNTS = {"steps", "minutes", "epochs"}
"""Options that say how long a run learns."""


def train_run(
    path: Path,
    material: Material,
    options: TrainOptions,
    reporter: Reporter,
    *,
    force: bool,
    world: World,
    painter: Painter | None = None,
    corpora: Sequence[Path] = (),
    start: Start | None = None,
) -> RunFolder:
    """Decide everything, write it down, then train.

    Args:
        path: The run folder to make.
        material: What it is made from.
        options: What the user asked for.
        reporter: Where progress goes.
        force: Replace a Weft folder that is in the way.
        world: The processes that train together.
        painter: Makes previews.
        corpora: Folders that the run may neither replace nor lie in.
        start: The run whose weights it begins with; random ones without it.
    """
    sources = list(corpora) if start is None else [*corpora, start.folder.path]
    if world.is_main:
        check_target(path, force=force, sources=sources)
    with conditions(options.get("threads")) as threads:
        decided = decide(material, options, threads, world, start, reporter=reporter)
        manifest = _manifest(path, material, decided, reporter)
        begin = None
        if start is not None:
            manifest = inherited(start, manifest)
            trainer = material.trainer(decided.model, decided.vocabulary, decided.settings)
            begin = starting_point(start, trainer, decided.settings, reporter.warn).begin if world.is_main else None
        if world.is_main:
            # What another process is training is not taken away from it.
            with locked(path) if (path / "run.json").exists() else nullcontext():
                RunFolder.create(path, manifest, material.codec_folders, force=force, sources=sources, begin=begin)
        world.wait()
        folder = RunFolder.open(path)
        _train(folder, material, decided.settings, reporter, world=world, painter=painter)
    return folder


def resume_run(
    path: Path,
    material: Material,
    options: TrainOptions,
    reporter: Reporter,
    *,
    world: World,
    painter: Painter | None = None,
) -> RunFolder:
    """Go on from the last checkpoint, or from the start where there is none, with the settings that were written down.

    Args:
        path: The run folder.
        material: What it is made from.
        options: What the user asks for now: the device, and how the run is watched; as it began without them.
        reporter: Where progress goes.
        world: The processes that train together; they need not be as many as before.
        painter: Makes previews.

    Raises:
        FolderError: The codecs of the corpora are not those of the run.
        OptionError: The device is not there.
    """
    folder = RunFolder.open(path)
    # A run that began from another has its codecs too.
    if not material.codec_hashes.items() <= folder.manifest.codecs.items():
        raise FolderError(f"the codecs are not those that {path} was begun with; train into a new folder")
    settings = replace(RunSettings.from_json(folder.manifest.settings), **free_options(options))
    device = options.get("device")
    if device is not None and torch.device(device).type != torch.device(settings.device).type:
        reporter.warn(f"{path} was begun on {settings.device}: on {device} it goes on, but not bit for bit")
    with conditions(settings.threads):
        _train(folder, material, settings, reporter, world=world, painter=painter, elsewhere=device)
    return folder


@contextmanager
def conditions(threads: int | None) -> Iterator[int]:
    """How steps are computed, and timed: with so many threads.

    Yields the number of threads.

    Raises:
        OptionError: There cannot be so few threads.
        TrainingError: There was not enough memory; says what to do.
    """
    with cpu_threads(threads) as used, enough_memory(TrainingError, MEMORY_ADVICE):
        yield used


def check_resumable(folder: RunFolder, options: TrainOptions, corpora: Sequence[tuple[str, str]]) -> None:
    """Refuse corpora and options other than those a run was begun with.

    Args:
        folder: The run.
        options: What the user asks for now.
        corpora: Name and content hash of each.

    Raises:
        FolderError: A corpus has changed, or they are others, or in another order.
        OptionError: Lists the options that differ.
    """
    check_same_corpora(folder, corpora)
    manifest = folder.manifest
    recorded = {**recorded_options(manifest.settings, manifest.model), "init_from": manifest.started_from}
    asked = {name: value for name, value in options.items() if name != "device" and name not in free_options(options)}
    if "init_from" in options:
        asked["init_from"] = open_start(Path(options["init_from"])).entry
    differing = differences(asked, recorded)
    if differing:
        amounts = differences({name: asked[name] for name in _AMOUNTS & asked.keys()}, recorded)
        longer = f", or begin a new run from it (--init-from {folder.path})" if amounts else ""
        what = "; ".join(differing)
        raise OptionError(f"{folder.path} cannot be resumed with other options ({what}); leave them out{longer}")


def recorded_options(settings: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was begun with, by the names of :class:`TrainOptions`."""
    precision = settings.get("autocast") or "float32"
    lora = model.get("adapter_rank") or None
    return {**settings, "context": model["context_length"], "precision": precision, "lora": lora}


def _manifest(path: Path, material: Material, decided: Decisions, reporter: Reporter) -> RunManifest:
    reporter.note(describe(decided, material))
    corpora = [replace(corpus, place=seen_from(path, corpus.place)) for corpus in material.corpora]
    return RunManifest(
        settings=decided.settings.to_json(),
        model=decided.model.to_json(),
        vocabulary=decided.vocabulary.to_json(),
        modalities=material.modalities,
        lengths=_lengths(material),
        corpora=corpora,
        conditional=_conditional(material),
        codecs=dict(material.codec_hashes),
        weft=__version__,
        directions=material.directions(decided.settings.reverse),
        preparation=dict(material.preparation),
        target_tokens=dict(decided.target_tokens),
    )


def seen_from(run: Path, corpus: str | None) -> str | None:
    """A way from one folder to the other that holds where both are moved together."""
    return None if corpus is None else os.path.relpath(corpus, run.resolve())


def _train(
    folder: RunFolder,
    material: Material,
    settings: RunSettings,
    reporter: Reporter,
    *,
    world: World,
    painter: Painter | None,
    elsewhere: str | None = None,
) -> None:
    alone = locked(folder.path) if world.is_main else nullcontext()
    with alone:
        loop = _loop(folder, material, settings, world, elsewhere)
        loop.back_off.note = reporter.note
        notes: Mapping[str, Any] = {}
        state = folder.checkpoints.newest(reporter.warn)
        if state is not None:
            _restore(loop, state, folder)
            if not world.agree(state.step):
                raise FolderError(
                    f"the processes see different checkpoints of {folder.path}; have them share one folder"
                )
            notes = state.notes
            if state.step == settings.steps:
                reporter.note(
                    f"the run has made all of its {settings.steps:,} steps; one may go on from it by --init-from"
                )
            elif state.step:
                reporter.note(f"going on from step {state.step:,} of {settings.steps:,}")
        with reporter.task("training", settings.steps, "step", loop.step) as task:
            watchers = make_watchers(
                loop=loop,
                folder=folder,
                settings=settings,
                sources=material.sources,
                registry=get_registry(),
                painter=painter,
                notes=notes,
                task=task,
                reporter=reporter,
            )
            keep = KeepCheckpoints(
                folder=folder,
                loop=loop,
                log=watchers.log,
                keep=Keep(settings.keep, settings.keep_every),
                clock=SaveClock(settings.checkpoint_minutes),
                notes=notes,
            )
            loop.callbacks = [*watchers.before, keep, *watchers.after]
            with ending_well(loop, folder, reporter), freed_memory_kept():
                loop.run()
                watchers.check()
    if loop.skipped:
        reporter.warn(f"{count(loop.skipped, 'step')} of {settings.steps:,} left out: loss or gradient was not finite")
    _judge(keep, reporter)


def _loop(folder: RunFolder, material: Material, settings: RunSettings, world: World, elsewhere: str | None) -> Loop:
    """The loop of a run, at its first step."""
    config = ModelConfig.from_json(folder.manifest.model)
    vocabulary = Vocabulary.from_json(folder.manifest.vocabulary)
    context = config.context_length
    train = training_rows(material, vocabulary, context, settings)
    return Loop(
        material.trainer(config, vocabulary, settings),
        train.rows,
        settings,
        _device(settings, world, elsewhere),
        held_out=held_out_rows(material.sources, Sequences(vocabulary), context, settings.mix, settings.reverse),
        order=train.order,
        world=world,
        folder=folder.path,
    )


def _device(settings: RunSettings, world: World, elsewhere: str | None) -> torch.device:
    try:
        return world.device(elsewhere or settings.device)
    except OptionError as error:
        if elsewhere is not None:
            raise
        raise OptionError(
            f"the run was begun on {settings.device}, which is not available here; name another device, such as cpu: "
            f"there it goes on, but not bit for bit"
        ) from error


def _restore(loop: Loop, state: TrainingState, folder: RunFolder) -> None:
    try:
        loop.restore(with_table_adapters(named_by_parameter(state, loop.model), loop.model))
    except (RuntimeError, ValueError, KeyError) as error:
        if is_lost_connection(error):
            raise
        why = str(error).partition("\n")[0].rstrip(": ")
        raise FolderError(
            f"{folder.path} cannot go on: its last checkpoint does not fit its run.json ({why}); restore the folder, "
            f"or train into a new one"
        ) from error


def _judge(keep: KeepCheckpoints, reporter: Reporter) -> None:
    if keep.last is None:
        if keep.best is None:
            reporter.warn("nothing was held out (too few items), so nobody can tell learning from memorizing here")
        return
    warning = memorizing(keep.best or {}, keep.last)
    if warning is not None:
        reporter.warn(warning)


def _conditional(material: Material) -> list[str]:
    with_prompts = (s.modality for s in material.sources if any(prompt is not None for prompt in s.prompts))
    return list(dict.fromkeys(with_prompts))


def _lengths(material: Material) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    for source in material.sources:
        low, high = source.target_lengths()
        before = spans.get(source.modality, (low, high))
        spans[source.modality] = (min(low, before[0]), max(high, before[1]))
    return spans
