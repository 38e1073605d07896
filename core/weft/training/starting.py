"""Beginning from the weights of another run: what has to fit, how the vocabulary grows, and the state of step 0."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weft.codecs.vocabulary import Vocabulary
from weft.errors import FolderError, OptionError, TrainingError
from weft.interfaces.trainer import Trainer
from weft.models.adapters import fold_adapters, is_adapter
from weft.models.config import ModelConfig
from weft.plugins.registry import Registry
from weft.storage.checkpoints import CheckpointStore, TrainingState
from weft.storage.codecs import codec_hash
from weft.storage.corpus import CorpusFolder
from weft.storage.run import RunFolder, RunManifest, StartEntry
from weft.training.loop import LoopSettings
from weft.training.material import Material, encode_anew
from weft.training.options import TrainOptions
from weft.training.randomness import derive_seed

TABLE = "embedding.weight"
"""The one tensor of the backbone that has a row for every id."""

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Start:
    """A run that another one begins from.

    Attributes:
        folder: Its folder; what is needed of it is copied into the new run.
        model: Its shape, without adapters.
        vocabulary: Its ids.
        entry: What the new run says of it.
    """

    folder: RunFolder
    model: ModelConfig
    vocabulary: Vocabulary
    entry: StartEntry

    @property
    def size(self) -> str:
        """Position of the dial that it was trained at."""
        return str(self.folder.manifest.settings["size"])

    @property
    def text_codec(self) -> Path | None:
        """Folder of the codec in which the new run reads text; ``None`` if the run knows no text."""
        return self.codec_folders.get("text")

    @property
    def codec_folders(self) -> dict[str, Path]:
        return {name: self.folder.codec_folder(name) for name in self.folder.manifest.codecs}


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """What the folder of a run holds before its first step.

    Attributes:
        state: Step 0: weights alone.
        frozen: Names of weights that never change, and are kept once.
    """

    state: TrainingState
    frozen: frozenset[str]

    def begin(self, store: CheckpointStore) -> None:
        """Write it down."""
        store.begin(self.state, self.frozen)


def open_start(path: Path) -> Start:
    """Open a run that is to be started from.

    Raises:
        FolderError: It is no run, it is damaged, or it has no weights yet.
    """
    folder = RunFolder.open(path)
    for name, digest in folder.manifest.codecs.items():
        if codec_hash(folder.codec_folder(name)) != digest:
            raise FolderError(f"{folder.codec_folder(name)} is not the codec that the run was trained with; restore it")
    entry = StartEntry(path.name, folder.checkpoints.step("best"), folder.checkpoints.weights_sha256("best"))
    model = replace(ModelConfig.from_json(folder.manifest.model), adapter_rank=0)
    return Start(folder, model, Vocabulary.from_json(folder.manifest.vocabulary), entry)


def check_corpora(start: Start, corpora: Sequence[CorpusFolder], registry: Registry) -> None:
    """Refuse corpora that cannot be learned by the weights of a run.

    Raises:
        TrainingError: Their objective is another one, or one of them has another codec than the run; text may have, as
            the run's own codec encodes it again.
    """
    objectives = {name: registry.trainer_class(name) for name in start.folder.manifest.modalities}
    for corpus in corpora:
        wanted = registry.trainer_class(corpus.modality)
        other = next((name for name, objective in objectives.items() if objective is not wanted), None)
        if other is not None:
            raise TrainingError(
                f"{corpus.path} is learned by {wanted.__name__}, but {start.folder.path} was trained on {other} by "
                f"{objectives[other].__name__}; start from a run of {corpus.modality}, or leave init_from out"
            )
        known = start.folder.manifest.codecs.get(corpus.modality)
        if corpus.modality != "text" and known not in (None, corpus.codec_hash(corpus.modality)):
            raise TrainingError(_other_codec(start, corpus))


def check_size(start: Start, size: str | None) -> None:
    """Raise :class:`weft.OptionError` for a size other than that of the run."""
    if size not in (None, start.size):
        raise OptionError(
            f"size {size!r} is not that of {start.folder.path}, which is {start.size!r}, and weights fit one size "
            f"alone; leave it out"
        )


def check_adapters(options: TrainOptions, start: Start | None, vocabulary: Vocabulary) -> None:
    """Refuse adapters that would learn nothing, or not enough.

    Args:
        options: What was asked for.
        start: What they would be beside.
        vocabulary: Of the new run.

    Raises:
        OptionError: There are no weights that they could adapt, new ids, a rank that a whole matrix would have, or
            another optimizer than theirs.
    """
    if "lora" not in options:
        return
    rank = options["lora"]
    if start is None:
        raise OptionError("adapters (--lora) are learned beside trained weights; name a run by --init-from")
    if options.get("optimizer") == "muon":
        raise OptionError("adapters (--lora) are moved by adamw, being no whole matrices; leave --optimizer out")
    if not 0 < rank < start.model.width:
        raise OptionError(f"lora must be a rank from 1 to {start.model.width - 1}, below the model's width; got {rank}")
    new = sorted(set(vocabulary.blocks) - set(start.vocabulary.blocks))
    if new:
        raise OptionError(
            f"{start.folder.path} knows no {', '.join(new)}, and the adapter of its table has too low a rank to tell "
            f"new ids apart; train all weights: leave --lora out"
        )


def with_codecs(start: Start, material: Material) -> Material:
    """The same material with the run's other codecs, so that the new run can make what the old one could."""
    others = {name: path for name, path in start.codec_folders.items() if name not in material.codec_folders}
    hashes = {name: start.folder.manifest.codecs[name] for name in others}
    return replace(
        material,
        codec_folders={**material.codec_folders, **others},
        codec_hashes={**material.codec_hashes, **hashes},
    )


def started_model(start: Start, vocabulary: Vocabulary, context: int, dropout: float, rank: int | None) -> ModelConfig:
    """Shape of a run that begins from another: its own, with room for further ids and positions.

    Positions are rotations (arXiv:2104.09864) without weights, so any context fits the weights.
    """
    return replace(
        start.model,
        vocab_size=vocabulary.size,
        context_length=context,
        dropout=dropout,
        adapter_rank=rank or 0,
    )


def inherited(start: Start, manifest: RunManifest) -> RunManifest:
    """What a new run says of itself, with what the one that it began from could do besides."""
    before = start.folder.manifest
    others = [name for name in before.modalities if name not in manifest.modalities]
    known = {(way.condition, way.target) for way in manifest.known_directions}
    # Whether a text prompt is followed is what the new corpora say of what they teach.
    known |= {("text", name) for name in manifest.modalities}
    ways = [way for way in before.known_directions if (way.condition, way.target) not in known]
    return replace(
        manifest,
        modalities=[*manifest.modalities, *others],
        lengths={**before.lengths, **manifest.lengths},
        conditional=[*manifest.conditional, *(name for name in before.conditional if name in others)],
        directions=[*manifest.known_directions, *ways],
        preparation={**before.preparation, **manifest.preparation},
        started_from=start.entry,
    )


def starting_point(start: Start, trainer: Trainer[Any], settings: LoopSettings, warn: Warn) -> StartingPoint:
    """The state of step 0: the best weights of a run, averaged ones where it has some, with its adapters folded in.

    Rows of new ids are the mean of the old ones. New adapters begin as the model makes them from the seed.

    Args:
        start: The run.
        trainer: Objective of the new one; builds its model.
        settings: Of the new one.
        warn: Told of a damaged checkpoint, and of the one that is used instead.

    Raises:
        TrainingError: The model has another shape than the weights.
        FolderError: The weights are damaged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(settings.seed))
        model = trainer.build_model()
    weights = fold_adapters(start.folder.checkpoints.weights("best", warn))
    if TABLE in weights:
        weights[TABLE] = with_mean_rows(weights[TABLE], trainer_rows(model))
    _load(model, weights, start)
    frozen = frozenset(name for name, parameter in model.named_parameters() if not parameter.requires_grad)
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    return StartingPoint(TrainingState(0, tensors, {}, average={} if settings.ema is None else tensors), frozen)


def with_mean_rows(table: Tensor, rows: int) -> Tensor:
    """A table of so many rows: what it has, then their mean."""
    mean = table.double().mean(0, keepdim=True).to(table.dtype)
    return torch.cat([table, mean.expand(rows - len(table), -1)])


def trainer_rows(model: nn.Module) -> int:
    """Ids that the model's table has room for."""
    return int(model.get_parameter(TABLE).shape[0])


def _load(model: nn.Module, weights: Mapping[str, Tensor], start: Start) -> None:
    try:
        missing, unexpected = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        raise TrainingError(_other_shape(start, [str(error).partition("\n")[2].strip()])) from error
    wrong = [name for name in missing if not is_adapter(name)] + list(unexpected)
    if wrong:
        raise TrainingError(_other_shape(start, wrong))


def _other_shape(start: Start, wrong: Collection[str]) -> str:
    return (
        f"the weights of {start.folder.path} do not fit the model that these corpora are learned by "
        f"({', '.join(list(wrong)[:3])}); start from a run that was trained by the same plugins"
    )


def _other_codec(start: Start, corpus: CorpusFolder) -> str:
    modality = corpus.modality
    known = next((entry for entry in start.folder.manifest.corpora if entry.modality == modality), None)
    owner = Path("THE_CORPUS_OF_THAT_RUN") if known is None else Path(known.name)
    if known is not None and known.place is not None:
        owner = (start.folder.path / known.place).resolve()
    return (
        f"{corpus.path} has another {modality} codec than {start.folder.path}, so their tokens mean different things; "
        f"encode it as what that run was trained on: {encode_anew(corpus, owner)}"
    )
