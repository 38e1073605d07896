"""Stage 2 as a whole: from token sources to a run folder."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from weft._version import __version__
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import FolderError, OptionError, TrainingError
from weft.interfaces.progress import Reporter
from weft.models.config import ModelConfig
from weft.models.device import cpu_threads, enough_memory, pick_device
from weft.storage.atomic import check_target
from weft.storage.checkpoints import TrainingState
from weft.storage.keep import Keep
from weft.storage.lock import locked
from weft.storage.run import RunFolder, RunManifest
from weft.storage.summaries import memorizing
from weft.training.agreement import check_same_corpora
from weft.training.callbacks import LogMetrics, ShowEvaluation, ShowProgress
from weft.training.decisions import Decisions, decide, describe, held_out_rows, training_rows
from weft.training.keeping import KeepCheckpoints, SaveClock, ending_well
from weft.training.loop import Loop
from weft.training.material import Material
from weft.training.older import named_by_parameter
from weft.training.options import TrainOptions, differences
from weft.training.settings import RunSettings
from weft.training.world import World

MEMORY_ADVICE = "compute a step in more micro-batches, or choose a smaller batch, context or size"


def train_run(
    path: Path,
    material: Material,
    options: TrainOptions,
    reporter: Reporter,
    *,
    force: bool,
    world: World,
    corpora: Sequence[Path] = (),
) -> RunFolder:
    """Decide everything, write it down, then train.

    Args:
        path: The run folder to make.
        material: What it is made from.
        options: What the user asked for.
        reporter: Where progress goes.
        force: Replace a Weft folder that is in the way.
        world: The processes that train together.
        corpora: Folders that the run may neither replace nor lie in.
    """
    if world.is_main:
        check_target(path, force=force, sources=corpora)
    with cpu_threads(options.get("threads")) as threads, enough_memory(TrainingError, MEMORY_ADVICE):
        manifest = _manifest(path, material, decide(material, options, threads, world), reporter)
        if world.is_main:
            RunFolder.create(path, manifest, material.codec_folders, force=force, sources=corpora)
        world.wait()
        folder = RunFolder.open(path)
        _train(folder, material, reporter, world)
    return folder


def resume_run(
    path: Path, material: Material, reporter: Reporter, *, world: World, device: str | None = None
) -> RunFolder:
    """Go on from the last checkpoint, or from the start where there is none, with the settings that were written down.

    Args:
        path: The run folder.
        material: What it is made from.
        reporter: Where progress goes.
        world: The processes that train together; they need not be as many as before.
        device: Where to go on; where it began without it.

    Raises:
        FolderError: The codecs of the corpora are not those of the run.
        OptionError: The device is not there.
    """
    folder = RunFolder.open(path)
    if dict(folder.manifest.codecs) != dict(material.codec_hashes):
        raise FolderError(f"the codecs are not those that {path} was begun with; train into a new folder")
    settings = RunSettings.from_json(folder.manifest.settings)
    if device is not None and torch.device(device).type != torch.device(settings.device).type:
        reporter.warn(f"{path} was begun on {settings.device}: on {device} it goes on, but not bit for bit")
    with cpu_threads(settings.threads), enough_memory(TrainingError, MEMORY_ADVICE):
        _train(folder, material, reporter, world, device)
    return folder


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
    recorded = recorded_options(manifest.settings, manifest.model)
    asked = {name: value for name, value in options.items() if name != "device"}
    differing = differences(asked, recorded)
    if differing:
        what = "; ".join(differing)
        raise OptionError(f"{folder.path} cannot be resumed with other options ({what}); leave them out")


def recorded_options(settings: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was begun with, by the names of :class:`TrainOptions`."""
    precision = settings.get("autocast") or "float32"
    return {**settings, "context": model["context_length"], "precision": precision}


def _manifest(path: Path, material: Material, decided: Decisions, reporter: Reporter) -> RunManifest:
    reporter.note(describe(decided, material))
    corpora = [replace(corpus, place=_seen_from(path, corpus.place)) for corpus in material.corpora]
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


def _seen_from(run: Path, corpus: str | None) -> str | None:
    """A way from one folder to the other that holds where both are moved together."""
    return None if corpus is None else os.path.relpath(corpus, run.resolve())


def _train(
    folder: RunFolder, material: Material, reporter: Reporter, world: World, elsewhere: str | None = None
) -> None:
    settings = RunSettings.from_json(folder.manifest.settings)
    alone = locked(folder.path) if world.is_main else nullcontext()
    with alone, reporter.task("training", settings.steps, "step") as task:
        loop = _loop(folder, material, settings, world, elsewhere)
        notes: Mapping[str, Any] = {}
        state = folder.checkpoints.newest(reporter.warn)
        if state is not None:
            _restore(loop, state, folder)
            notes = state.notes
            task.advance(state.step)
            reporter.note(f"going on from step {state.step} of {settings.steps}")
        best = notes.get("best")
        log = LogMetrics(folder, notes.get("unlogged", ()))
        shown = ShowEvaluation(reporter, best["loss"] if best else math.inf)
        keep = KeepCheckpoints(
            folder=folder,
            loop=loop,
            log=log,
            keep=Keep(settings.keep, settings.keep_every),
            clock=SaveClock(settings.checkpoint_minutes),
            notes=notes,
        )
        loop.callbacks = [ShowProgress(task), log, shown, keep]
        with ending_well(loop, folder, reporter):
            loop.run()
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
        return pick_device(elsewhere or settings.device, world.local_rank)
    except OptionError as error:
        if elsewhere is not None:
            raise
        raise OptionError(
            f"the run was begun on {settings.device}, which is not available here; name another device, such as cpu: "
            f"there it goes on, but not bit for bit"
        ) from error


def _restore(loop: Loop, state: TrainingState, folder: RunFolder) -> None:
    try:
        loop.restore(named_by_parameter(state, loop.model))
    except (RuntimeError, ValueError, KeyError) as error:
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
