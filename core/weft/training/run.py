"""Stage 2 as a whole: from token sources to a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from weft._version import __version__
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.errors import FolderError, OptionError
from weft.interfaces.progress import Reporter
from weft.interfaces.trainer import Trainer
from weft.models.config import ModelConfig, pick_size
from weft.models.device import pick_device
from weft.models.transformer import parameter_count
from weft.storage.run import RunFolder, RunManifest
from weft.training.callbacks import KeepWeights, LogMetrics, ShowProgress
from weft.training.data import Rows, Spread, TokenSource, rows_of
from weft.training.evaluation import evaluate
from weft.training.loop import Loop
from weft.training.next_token import TrainingContext
from weft.training.settings import (
    DEFAULT_MINUTES,
    EVALUATION_TOKENS,
    EVALUATIONS,
    RunSettings,
    TrainRequest,
    context_for,
    default_batch,
    default_dropout,
    model_config,
    steps_for_budget,
)

LONGEST_BETWEEN_CHECKPOINTS = 1_000
MEMORIZED = 1.02
"""How much worse than its best a held-out loss must end to be called memorizing."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is made from.

    Attributes:
        sources: Token sources, one a corpus.
        codec_folders: Codec of each modality, ``text`` included where there are captions.
        codec_hashes: Their hashes.
        vocab_sizes: Their sizes, in the order of the run's id space.
        bytes_per_token: Of the text codec's ids.
        corpora: Name, modality and hash of each corpus, for the manifest.
        objective: The trainer class.
    """

    sources: Sequence[TokenSource]
    codec_folders: Mapping[str, Path]
    codec_hashes: Mapping[str, str]
    vocab_sizes: Mapping[str, int]
    bytes_per_token: Sequence[int] | None
    corpora: Sequence[Mapping[str, Any]]
    objective: Callable[[TrainingContext], Trainer[Any]]

    @property
    def modalities(self) -> list[str]:
        return list(dict.fromkeys(source.modality for source in self.sources))


def train_run(path: Path, material: Material, request: TrainRequest, reporter: Reporter, *, force: bool) -> RunFolder:
    """Decide everything, write it down, then train."""
    with _threads(request.threads) as threads:
        folder = _begin(path, material, request, threads, reporter, force=force)
        _train(folder, material, reporter)
    return folder


def resume_run(path: Path, material: Material, reporter: Reporter) -> RunFolder:
    """Go on from the last checkpoint, or from the start where there is none, with the settings that were written down.

    Raises:
        FolderError: The corpora are not those of the run.
    """
    folder = RunFolder.open(path)
    recorded = [corpus["sha256"] for corpus in folder.manifest.corpora]
    if recorded != [corpus["sha256"] for corpus in material.corpora]:
        raise FolderError(f"the corpora have changed since {path} began; train into a new folder")
    with _threads(RunSettings.from_json(folder.manifest.settings).threads):
        _train(folder, material, reporter)
    return folder


def check_resumable(path: Path, request: TrainRequest) -> None:
    """Refuse options that contradict those a run was begun with.

    Raises:
        OptionError: Lists the differences.
    """
    manifest = RunFolder.open(path).manifest
    recorded = {**manifest.settings, "context": manifest.model["context_length"]}
    defaults = TrainRequest()
    differences = []
    for name in TrainRequest.__dataclass_fields__:
        wanted, before = getattr(request, name), recorded.get(name)
        if wanted != getattr(defaults, name) and wanted != before:
            differences.append(f"{name} was {before}, now {wanted}")
    if differences:
        raise OptionError(f"{path} cannot be resumed with other options ({'; '.join(differences)}); leave them out")


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


def _begin(
    path: Path, material: Material, request: TrainRequest, threads: int, reporter: Reporter, *, force: bool
) -> RunFolder:
    size = pick_size(request.size)
    device = pick_device(request.device)
    vocabulary = Vocabulary.build(material.vocab_sizes)
    context = context_for(material.sources, size, request.context)
    config = model_config(size, vocabulary.size, context, 0.0)
    with torch.device("meta"):
        parameters = parameter_count(_objective(material, config, vocabulary).build_model())
    sequences = Sequences(vocabulary)
    train = rows_of(material.sources, sequences, context, held_out=False, seed=request.seed)
    tokens = sum(len(s.payloads[int(i)]) for s in material.sources for i in (~s.held_out).nonzero()[0])
    dropout = default_dropout(parameters, tokens) if request.dropout is None else request.dropout
    config = replace(config, dropout=dropout)
    settings = RunSettings(
        size=request.size,
        steps=request.steps or 1,
        minutes=None if request.steps else request.minutes or DEFAULT_MINUTES,
        seed=request.seed,
        batch_size=request.batch_size or default_batch(size, train),
        micro_batches=request.micro_batches,
        learning_rate=request.learning_rate or size.learning_rate,
        weight_decay=0.05,
        dropout=dropout,
        threads=threads,
        device=device.type,
        autocast="bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else None,
        evaluate_every=1,
    )
    if settings.minutes is not None:
        steps = steps_for_budget(
            _objective(material, config, vocabulary),
            train,
            _held_out(material, sequences, context),
            settings=settings.loop(),
            device=device,
            minutes=settings.minutes,
        )
        settings = replace(settings, steps=steps)
    settings = replace(settings, evaluate_every=_evaluate_every(settings.steps))
    reporter.note(
        f"{parameters / 1e6:.2f} M parameters, context {context}, {tokens:,} training tokens; {settings.steps:,} steps "
        f"of {settings.batch_size} rows, dropout {dropout:g}, {device.type} with {threads} threads, seed {request.seed}"
    )
    manifest = RunManifest(
        settings=settings.to_json(),
        model=config.to_json(),
        vocabulary=vocabulary.to_json(),
        modalities=material.modalities,
        lengths={name: list(lengths) for name, lengths in _lengths(material).items()},
        corpora=list(material.corpora),
        conditional=[s.modality for s in material.sources if any(prompt is not None for prompt in s.prompts)],
        codecs=dict(material.codec_hashes),
        weft=__version__,
    )
    return RunFolder.create(path, manifest, material.codec_folders, force=force)


def _train(folder: RunFolder, material: Material, reporter: Reporter) -> None:
    settings = RunSettings.from_json(folder.manifest.settings)
    config = ModelConfig.from_json(folder.manifest.model)
    vocabulary = Vocabulary.from_json(folder.manifest.vocabulary)
    sequences = Sequences(vocabulary)
    device = pick_device(settings.device)
    trainer = _objective(material, config, vocabulary)
    train = rows_of(material.sources, sequences, config.context_length, held_out=False, seed=settings.seed)
    held_out = _held_out(material, sequences, config.context_length)
    log = LogMetrics(folder)
    with reporter.task("training", settings.steps, "step") as task:
        loop = Loop(trainer, train, settings.loop(), device)
        best = None
        if folder.checkpoints.pointers():
            state = folder.checkpoints.load("last")
            loop.restore(state)
            best = state.notes["best"]
            task.advance(state.step)
            reporter.note(f"going on from step {state.step} of {settings.steps}")

        def figures() -> dict[str, float]:
            return evaluate(
                trainer,
                loop.model,
                held_out,
                batch_size=2 * settings.batch_size,
                device=device,
                autocast=settings.autocast,
            )

        keep = KeepWeights(
            folder=folder,
            evaluate=figures if len(held_out) else None,
            every=settings.evaluate_every,
            best=best,
            log=log,
            reporter=reporter,
        )
        loop.callbacks = [ShowProgress(task), log, keep]
        loop.run()
    _judge(keep, reporter)


def _judge(keep: KeepWeights, reporter: Reporter) -> None:
    if keep.last is None:
        if keep.best is None:
            reporter.warn("nothing was held out (too few items), so nobody can tell learning from memorizing here")
        return
    assert keep.best is not None
    if keep.last["loss"] > MEMORIZED * keep.best["loss"]:
        reporter.warn(
            f"the model began to memorize: its held-out loss was best at step {keep.best['step']} "
            f"({keep.best['loss']:.3f}) and ended at {keep.last['loss']:.3f}. `generate` uses the best weights; "
            "more data, a smaller size or fewer steps would help"
        )


def _objective(material: Material, config: ModelConfig, vocabulary: Vocabulary) -> Trainer[Any]:
    return material.objective(TrainingContext(config, vocabulary, material.modalities, material.bytes_per_token))


def _held_out(material: Material, sequences: Sequences, context: int) -> Spread:
    rows: Rows = rows_of(material.sources, sequences, context, held_out=True, seed=None)
    return Spread(rows, max(1, EVALUATION_TOKENS // context))


def _evaluate_every(steps: int) -> int:
    return min(LONGEST_BETWEEN_CHECKPOINTS, max(1, -(-steps // EVALUATIONS)))


def _lengths(material: Material) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    for source in material.sources:
        low, high = source.target_lengths()
        before = spans.get(source.modality, (low, high))
        spans[source.modality] = (min(low, before[0]), max(high, before[1]))
    return spans
