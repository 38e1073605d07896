"""From corpora to what a run is made from: one codec a modality, one text codec for all of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from weft.codecs.vocabulary import Vocabulary
from weft.errors import TrainingError
from weft.interfaces.codec import Codec
from weft.interfaces.trainer import Trainer
from weft.models.config import ModelConfig
from weft.plugins.options import place_options
from weft.plugins.registry import Registry
from weft.storage.codecs import codec_hash, load_codec
from weft.storage.corpus import PAYLOADS, CorpusFolder
from weft.storage.payloads import LazySequence
from weft.storage.run import CorpusEntry, Direction
from weft.storage.tokens import TokenLayer
from weft.training.data import CAPTION, TokenSource, reversed_task
from weft.training.next_token import TrainingContext
from weft.training.settings import RunSettings

Reencode = Callable[[CorpusFolder, str, Codec[str], str], TokenLayer]
"""``(corpus, field, codec, its hash)`` to the tokens of the ``payload`` or ``prompt`` field under that codec."""


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
        preparation: Preparation options of each modality by full name, but for those that name places of this machine.
    """

    sources: Sequence[TokenSource]
    codec_folders: Mapping[str, Path]
    codec_hashes: Mapping[str, str]
    vocab_sizes: Mapping[str, int]
    bytes_per_token: Sequence[int] | None
    corpora: Sequence[CorpusEntry]
    objective: Callable[[TrainingContext], Trainer[Any]]
    preparation: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def modalities(self) -> list[str]:
        return list(dict.fromkeys(source.modality for source in self.sources))

    @property
    def is_reversible(self) -> bool:
        """Whether something can be learned from payloads to captions."""
        return any(source.is_reversible for source in self.sources)

    def directions(self, reverse: float) -> list[Direction]:
        """From what to what a run learns to go.

        Args:
            reverse: Share of captioned documents that are learned from payload to caption.
        """
        forward: dict[str, list[int]] = {}
        backward: dict[str, list[int]] = {}
        for source in self.sources:
            for part, prompt in enumerate(source.prompts):
                if prompt is not None:
                    forward.setdefault(source.modality, []).append(source.target_length(part))
                    if reverse and source.is_reversible:
                        backward.setdefault(source.modality, []).append(len(prompt))
        there = [Direction(CAPTION, name, _span(lengths)) for name, lengths in forward.items()]
        return there + [Direction(name, CAPTION, _span(lengths)) for name, lengths in backward.items()]

    def trainer(self, model: ModelConfig, vocabulary: Vocabulary, settings: RunSettings) -> Trainer[Any]:
        """The objective of a run of this shape."""
        tasks = [*self.modalities, *(reversed_task(name) for name in self.modalities if name != CAPTION)]
        return self.objective(
            TrainingContext(
                model,
                vocabulary,
                tasks,
                self.bytes_per_token,
                compile=settings.compile,
                checkpoint_activations=settings.checkpoint_activations,
            )
        )


def gather(
    corpora: Sequence[CorpusFolder], registry: Registry, text_codec: Path | None, reencode: Reencode
) -> Material:
    """What training needs of some corpora.

    Args:
        corpora: At least one.
        registry: Where codecs and objectives come from.
        text_codec: Folder of the run's text codec; ``None`` where no corpus has text.
        reencode: Gives the tokens of text under a codec that is not the corpus's own.

    Raises:
        TrainingError: Objectives that cannot share a run, or codecs of one modality that differ.
        FolderError: A corpus is damaged.
    """
    folders = {"text": text_codec} if text_codec is not None else {}
    for corpus in corpora:
        corpus.verify(
            skip={PAYLOADS, "payloads.parquet"}
        )  # tokens are what is learned; payloads may be large, and are not read
        if corpus.modality == "text":
            continue
        known = folders.setdefault(corpus.modality, corpus.codec_folder(corpus.modality))
        if codec_hash(known) != corpus.codec_hash(corpus.modality):
            raise TrainingError(
                f"{corpus.path} and {known.parent.parent} are {corpus.modality} corpora with different codecs, so "
                f"their tokens mean different things; encode one as the other is: "
                f"{encode_anew(corpus, known.parent.parent)}"
            )
    codecs = {modality: load_codec(folder, registry) for modality, folder in folders.items()}
    hashes = {modality: codec_hash(folder) for modality, folder in folders.items()}

    def text_layer(corpus: CorpusFolder, field: str) -> TokenLayer:
        return reencode(corpus, field, codecs["text"], hashes["text"])

    def source(corpus: CorpusFolder) -> TokenSource:
        is_text = corpus.modality == "text"
        own = None if is_text else corpus.layer("payload", hashes[corpus.modality])
        payloads = own if own is not None else text_layer(corpus, "payload")
        prompts = text_layer(corpus, "prompt") if corpus.has_prompts else None
        typed = [None if prompts is None or text is None else prompts[i] for i, text in enumerate(corpus.prompts)]
        views = LazySequence(len(payloads), payloads.view)
        held_out = np.asarray(corpus.splits) == "validation"
        names = LazySequence(len(payloads), corpus.part_name)
        return TokenSource(corpus.modality, views, typed, held_out, corpus.weights, names)

    return Material(
        sources=[source(corpus) for corpus in corpora],
        codec_folders=folders,
        codec_hashes=hashes,
        vocab_sizes={modality: codec.vocab_size for modality, codec in codecs.items()},
        bytes_per_token=codecs["text"].facts().bytes_per_token if "text" in codecs else None,
        corpora=[CorpusEntry(c.path.name, c.modality, c.sha256, str(c.path.resolve())) for c in corpora],
        objective=_objective(corpora, registry),
        preparation={corpus.modality: _movable_options(corpus, registry) for corpus in reversed(corpora)},
    )


def encode_anew(corpus: CorpusFolder, other: Path) -> str:
    """The command that prepares a corpus with the codec of another."""
    sources = shlex.join(source.location for source in corpus.sources)
    target = corpus.path.with_name(f"{corpus.path.name}-as-{other.name}")
    return f"weft prepare {sources} --codec {shlex.quote(str(other))} --out {shlex.quote(str(target))}"


def _movable_options(corpus: CorpusFolder, registry: Registry) -> dict[str, Any]:
    """The preparation options of a corpus that mean the same on any machine."""
    options: Mapping[str, Any] = corpus.manifest["options"]
    known = registry.options_class(corpus.modality)()
    places = {f"{corpus.modality}.{name}" for name in place_options(known)}
    return {name: value for name, value in options.items() if name not in places}


def _span(lengths: Iterable[int]) -> tuple[int, int]:
    lengths = list(lengths)
    return min(lengths), max(lengths)


def _objective(corpora: Sequence[CorpusFolder], registry: Registry) -> Callable[[TrainingContext], Trainer[Any]]:
    classes = {corpus.modality: registry.trainer_class(corpus.modality) for corpus in corpora}
    if len(set(classes.values())) > 1:
        names = ", ".join(f"{modality} by {kind.__name__}" for modality, kind in classes.items())
        raise TrainingError(f"these corpora are learned by different objectives ({names}); train them in separate runs")
    return next(iter(classes.values()))
