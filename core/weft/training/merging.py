"""A run with adapters as a run without: theirs are added to the matrices, once and for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from weft.errors import OptionError
from weft.models.adapters import fold_adapters
from weft.models.config import ModelConfig
from weft.storage.checkpoint_files import Described
from weft.storage.checkpoints import CheckpointStore, TrainingState, Which
from weft.storage.run import CorpusEntry, MergeEntry, RunFolder
from weft.training.run import seen_from


def merge_run(
    folder: RunFolder, out: Path, *, which: Which = "best", force: bool = False, warn: Callable[[str], None]
) -> RunFolder:
    """Make a run of plain weights out of one with adapters. It can be sampled and started from, but not gone on with.

    Args:
        folder: The run with adapters; stays as it is.
        out: The run folder to make.
        which: Of its checkpoints.
        force: Replace a Weft folder that is in the way.
        warn: Told of a damaged checkpoint, and of the one that is used instead.

    Raises:
        OptionError: The run has no adapters, or kept no such checkpoint.
        FolderError: Something is in the way, or a checkpoint is damaged.
    """
    model = ModelConfig.from_json(folder.manifest.model)
    if not model.adapter_rank:
        raise OptionError(f"{folder.path} has no adapters to merge: its weights are plain already")
    step, weights = folder.checkpoints.step_and_weights(which, warn)
    manifest = replace(
        folder.manifest,
        model=replace(model, adapter_rank=0).to_json(),
        settings={**folder.manifest.settings, "steps": step},
        merged_from=MergeEntry(folder.path.resolve().name, model.adapter_rank, step, folder.manifest.steps_planned),
        corpora=[replace(corpus, place=_as_seen_from(out, folder, corpus)) for corpus in folder.manifest.corpora],
    )
    figures = _figures(folder.checkpoints.described(step))
    state = TrainingState(
        step,
        {name: tensor.contiguous() for name, tensor in fold_adapters(weights).items()},
        {},
        {"best": figures, "last": figures},
    )

    def begin(store: CheckpointStore) -> None:
        store.save(state, best=True)
        RunFolder(store.folder.parent, manifest).copy_metrics(folder, step)

    codecs = {name: folder.codec_folder(name) for name in manifest.codecs}
    return RunFolder.create(out, manifest, codecs, force=force, sources=[folder.path], begin=begin)


def _figures(checkpoint: Described) -> Mapping[str, float] | None:
    """Held-out figures of these very weights, if they were judged."""
    noted = (checkpoint.notes.get(name) or {} for name in ("last", "best"))
    return next((figures for figures in noted if figures.get("step") == checkpoint.step), None)


def _as_seen_from(out: Path, folder: RunFolder, corpus: CorpusEntry) -> str | None:
    return None if corpus.place is None else seen_from(out, str((folder.path / corpus.place).resolve()))
