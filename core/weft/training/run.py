"""Stage 2 as a whole: from token sources to a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from weft.storage.run import RunFolder, RunManifest
from weft.storage.summaries import memorizing
from weft.training.callbacks import KeepWeights, LogMetrics, ShowProgress
from weft.training.data import rows_of
from weft.training.decisions import Decisions, decide, describe, held_out_rows
from weft.training.evaluation import evaluate
from weft.training.loop import Loop
from weft.training.material import Material
from weft.training.settings import RunSettings, TrainRequest

MEMORY_ADVICE = "compute a step in more micro-batches, or choose a smaller batch, context or size"


def train_run(
    path: Path,
    material: Material,
    request: TrainRequest,
    reporter: Reporter,
    *,
    force: bool,
    corpora: Sequence[Path] = (),
) -> RunFolder:
    """Decide everything, write it down, then train.

    Args:
        path: The run folder to make.
        material: What it is made from.
        request: What the user asked for.
        reporter: Where progress goes.
        force: Replace a Weft folder that is in the way.
        corpora: Folders that the run may neither replace nor lie in.
    """
    check_target(path, force=force, sources=corpora)
    with cpu_threads(request.threads) as threads, enough_memory(TrainingError, MEMORY_ADVICE):
        manifest = _manifest(material, decide(material, request, threads), reporter)
        folder = RunFolder.create(path, manifest, material.codec_folders, force=force, sources=corpora)
        _train(folder, material, reporter)
    return folder


def resume_run(path: Path, material: Material, reporter: Reporter, device: str | None = None) -> RunFolder:
    """Go on from the last checkpoint, or from the start where there is none, with the settings that were written down.

    Args:
        path: The run folder.
        material: What it is made from.
        reporter: Where progress goes.
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
        _train(folder, material, reporter, device)
    return folder


def check_resumable(folder: RunFolder, request: TrainRequest, corpora: Sequence[str]) -> None:
    """Refuse corpora and options other than those a run was begun with.

    Args:
        folder: The run.
        request: What the user asks for now.
        corpora: Content hashes.

    Raises:
        FolderError: The corpora are others, or in another order.
        OptionError: Lists the options that differ.
    """
    manifest = folder.manifest
    if [corpus.sha256 for corpus in manifest.corpora] != list(corpora):
        raise FolderError(
            f"the corpora are not those that {folder.path} was begun with, in that order; name the same ones, or train "
            f"into a new folder"
        )
    recorded = {**manifest.settings, "context": manifest.model["context_length"]}
    differences = []
    for name in TrainRequest.__dataclass_fields__:
        wanted, before = getattr(request, name), recorded.get(name)
        if wanted not in (None, before) and name != "device":
            differences.append(f"{name} was {before}, now {wanted}")
    if differences:
        what = "; ".join(differences)
        raise OptionError(f"{folder.path} cannot be resumed with other options ({what}); leave them out")


def _manifest(material: Material, decided: Decisions, reporter: Reporter) -> RunManifest:
    reporter.note(describe(decided, material))
    return RunManifest(
        settings=decided.settings.to_json(),
        model=decided.model.to_json(),
        vocabulary=decided.vocabulary.to_json(),
        modalities=material.modalities,
        lengths=_lengths(material),
        corpora=list(material.corpora),
        conditional=_conditional(material),
        codecs=dict(material.codec_hashes),
        weft=__version__,
    )


def _train(folder: RunFolder, material: Material, reporter: Reporter, elsewhere: str | None = None) -> None:
    settings = RunSettings.from_json(folder.manifest.settings)
    config = ModelConfig.from_json(folder.manifest.model)
    vocabulary = Vocabulary.from_json(folder.manifest.vocabulary)
    sequences = Sequences(vocabulary)
    device = _device(settings, elsewhere)
    trainer = material.trainer(config, vocabulary)
    train = rows_of(material.sources, sequences, config.context_length, held_out=False, seed=settings.seed)
    held_out = held_out_rows(material.sources, sequences, config.context_length)
    with reporter.task("training", settings.steps, "step") as task:
        loop = Loop(trainer, train, settings.loop(), device)
        notes: Mapping[str, Any] = {}
        if folder.checkpoints.pointers():
            state = folder.checkpoints.load("last")
            _restore(loop, state, folder)
            notes = state.notes
            task.advance(state.step)
            reporter.note(f"going on from step {state.step} of {settings.steps}")

        def figures() -> dict[str, float]:
            return evaluate(
                trainer,
                loop.model,
                held_out,
                batch_size=settings.loop().rows_at_once,
                device=device,
                autocast=settings.autocast,
            )

        log = LogMetrics(folder, notes.get("unlogged", ()))
        keep = KeepWeights(
            folder=folder,
            evaluate=figures if len(held_out) else None,
            every=settings.evaluate_every,
            best=notes.get("best"),
            last=notes.get("last"),
            log=log,
            reporter=reporter,
        )
        loop.callbacks = [ShowProgress(task), log, keep]
        loop.run()
    _judge(keep, reporter)


def _device(settings: RunSettings, elsewhere: str | None) -> torch.device:
    try:
        return pick_device(elsewhere or settings.device)
    except OptionError as error:
        if elsewhere is not None:
            raise
        raise OptionError(
            f"the run was begun on {settings.device}, which is not available here; name another device, such as cpu: "
            f"there it goes on, but not bit for bit"
        ) from error


def _restore(loop: Loop, state: TrainingState, folder: RunFolder) -> None:
    if not state.optimizer:
        raise FolderError(
            f"{folder.path} cannot go on: the optimizer's part of its last checkpoint is missing; copy the whole "
            f"folder, or train into a new one"
        )
    try:
        loop.restore(state)
    except (RuntimeError, ValueError, KeyError) as error:
        why = str(error).partition("\n")[0].rstrip(": ")
        raise FolderError(
            f"{folder.path} cannot go on: its last checkpoint does not fit its run.json ({why}); restore the folder, "
            f"or train into a new one"
        ) from error


def _judge(keep: KeepWeights, reporter: Reporter) -> None:
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
