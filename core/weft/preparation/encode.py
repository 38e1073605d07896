"""Codecs learned from the training part, and the token layers that they make of all parts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.codecs.bpe import ByteLevelBPE, default_vocab_size
from weft.errors import FolderError, PluginError
from weft.interfaces.codec import Codec, Tokens
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer, FittedCodec
from weft.interfaces.progress import Reporter
from weft.interfaces.samples import Sample
from weft.interfaces.trainer import Dataset, Fit, Trainer
from weft.pages.numbers import count
from weft.plugins.registry import Registry
from weft.storage.atomic import new_folder, write_json
from weft.storage.codecs import load_codec, save_codec
from weft.storage.corpus import CorpusFolder, Field, layer_name
from weft.storage.payloads import LazySequence, PayloadStore, stored_samples
from weft.storage.tables import PartRow
from weft.storage.tokens import TokenLayer, TokenWriter

if TYPE_CHECKING:
    from torch import nn


@dataclass(slots=True)
class Encoded:
    """Codecs and layers of a corpus that is being made.

    Attributes:
        codecs: Modality to what the manifest says of its codec.
        layers: Field to its tokens.
        layer_entries: What the manifest says of the layers.
    """

    codecs: dict[str, dict[str, Any]] = field(default_factory=dict)
    layers: dict[Field, TokenLayer] = field(default_factory=dict)
    layer_entries: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GivenCodec:
    """A codec on disk.

    Attributes:
        folder: Where it is.
        entry: What a manifest says of it.
    """

    folder: Path
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Material:
    """What is encoded.

    Attributes:
        folder: The corpus folder in the making.
        modality: Of the payloads.
        store: The payloads.
        parts: Their rows.
        payload_format: Reads them.
        given: Codecs that are used instead of new ones, by modality.
        old: The corpus that is added to.
        old_parts: How many of the parts, from the first, are its own.
    """

    folder: Path
    modality: str
    store: PayloadStore
    parts: Sequence[PartRow]
    payload_format: PayloadFormat[Any]
    given: Mapping[str, GivenCodec] = field(default_factory=dict)
    old: CorpusFolder | None = None
    old_parts: int = 0

    @property
    def prompts(self) -> list[str | None]:
        return [part.prompt for part in self.parts]

    def samples(self, split: str | None = None) -> Sequence[Sample[Any]]:
        """Parts on one side, or all, decoded on access."""
        rows = [row for row, part in enumerate(self.parts) if split in (None, part.split)]
        return stored_samples(self.store, self.prompts, self.payload_format, rows)


class _CountedFit:
    """Core's loop, and how many steps it was asked for.

    Attributes:
        steps: Of all trainings together.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.steps = 0

    def __call__(self, trainer: Trainer[Any], data: Dataset[Any], *, steps: int, **settings: Any) -> nn.Module:
        self.steps += steps
        return self._fit(trainer, data, steps=steps, **settings)


def encode_corpus(
    material: Material, preparer: AnyPreparer, fit: Fit, registry: Registry, reporter: Reporter, learned: Path
) -> Encoded:
    """Learn the codecs, or take those that are given, write them and the token layers.

    Args:
        material: What is encoded.
        preparer: Learns the codec of the modality.
        fit: The training loop.
        registry: What plugins offer.
        reporter: Where progress goes.
        learned: A folder in which codecs outlive a kill, so that they are not learned twice.
    """
    encoded = Encoded()
    modality = material.modality
    prompts = material.prompts
    has_prompts = any(prompt is not None for prompt in prompts)
    samples = material.samples()
    payloads = LazySequence(len(samples), lambda i: samples[i].payload)
    codec = _add_codec(
        encoded, material, modality, learned, lambda: _learn(material, preparer, fit, reporter), registry
    )
    _tell(encoded, modality, reporter)
    _add_layer(encoded, material, "payload", modality, codec, payloads, reporter)
    if not has_prompts:
        return encoded
    if modality != "text":
        codec = _add_codec(
            encoded, material, "text", learned, lambda: (_prompt_codec(material.parts, reporter), 0), registry
        )
        _tell(encoded, "text", reporter)
    _add_layer(encoded, material, "prompt", "text", codec, prompts, reporter)
    return encoded


def _learn(material: Material, preparer: AnyPreparer, fit: Fit, reporter: Reporter) -> tuple[FittedCodec[Any], int]:
    """The codec of the modality, and in how many steps it was learned."""
    counted = _CountedFit(fit)
    training = material.samples("train")
    reporter.note(f"learning the codec of {material.modality} (training samples: {count(len(training))})")
    return preparer.fit_codec(training, material.samples("validation"), counted), counted.steps


def _tell(encoded: Encoded, modality: str, reporter: Reporter) -> None:
    entry = encoded.codecs[modality]
    learned = f", learned in {count(entry['steps'], 'step')}" if entry["steps"] else ""
    reporter.note(f"codec of {modality}: {entry['name']}, {count(entry['vocab_size'], 'id')}{learned}")


def fit_text_codec(texts: Sequence[str], minimum: int = 0) -> ByteLevelBPE:
    """Core's byte-level BPE on some texts, with a vocabulary that suits how much different text there is.

    Args:
        texts: What to learn from; may be lazy.
        minimum: The least vocabulary to aim at.
    """
    different = {text for text in texts if len(text) < 1000}
    long_bytes = sum(len(text.encode("utf-8")) for text in texts if len(text) >= 1000)
    total = long_bytes + sum(len(text.encode("utf-8")) for text in different)
    return ByteLevelBPE.fit(texts, max(minimum, default_vocab_size(total)))


def write_layer(
    folder: Path,
    codec: Codec[Any],
    payloads: Sequence[Any],
    reporter: Reporter,
    description: str,
    before: Sequence[Tokens] = (),
) -> TokenLayer:
    """Encode payloads into an existing, empty folder; ``None`` gives an empty run.

    Args:
        folder: Where the layer goes.
        codec: Encodes.
        payloads: All of them.
        reporter: Where progress goes.
        description: What is done, in words.
        before: Tokens of the first payloads, which are encoded already.
    """
    with (
        TokenWriter(folder, codec.vocab_size) as writer,
        reporter.task(description, len(payloads) - len(before), "sample") as task,
    ):
        for tokens in before:
            writer.append(tokens)
        for start in range(len(before), len(payloads), codec.batch):
            batch = payloads[start : start + codec.batch]
            writer.extend(encode_batch(codec, batch))
            task.advance(len(batch))
    return TokenLayer.open(folder)


def encode_batch(codec: Codec[Any], batch: Sequence[Any]) -> list[Tokens]:
    """Ids of each payload; none for ``None``.

    Raises:
        PluginError: The codec gives back another number of sequences.
    """
    present = [payload for payload in batch if payload is not None]
    encoded = codec.encode(present) if present else []
    if len(encoded) != len(present):
        raise PluginError(f"the codec {codec.name!r} gives {len(encoded)} sequences for {len(present)} payloads")
    sequences = iter(encoded)
    return [np.empty(0, np.int32) if payload is None else next(sequences) for payload in batch]


def ensure_layer(
    corpus: CorpusFolder, field: Field, codec: Codec[Any], codec_hash: str, registry: Registry, reporter: Reporter
) -> TokenLayer:
    """Tokens of a corpus under a codec that need not be its own.

    They are kept in the corpus folder for the next time, where that can be written to.

    Raises:
        FolderError: The corpus is damaged.
        PluginError: The plugin that reads its payloads is missing.
    """
    if corpus.has_layer(field, codec_hash):
        return corpus.layer(field, codec_hash)
    values: Sequence[Any] = corpus.prompts
    if field == "payload":
        samples = corpus.samples(registry.payload_format(corpus.modality))
        values = LazySequence(len(samples), lambda i: samples[i].payload)
    try:
        with new_folder(corpus.layer_folder(field, codec_hash)) as folder:
            write_layer(folder, codec, values, reporter, f"encoding {field}s of {corpus.path.name}")
    except FolderError:
        # The folder may be read-only, or another process may have been faster.
        if not corpus.has_layer(field, codec_hash):
            return _layer_in_memory(codec, values)
    return corpus.layer(field, codec_hash)


def _layer_in_memory(codec: Codec[Any], values: Sequence[Any]) -> TokenLayer:
    batches = (values[start : start + codec.batch] for start in range(0, len(values), codec.batch))
    return TokenLayer.from_arrays(
        (tokens for batch in batches for tokens in encode_batch(codec, batch)), codec.vocab_size
    )


def _prompt_codec(parts: Sequence[PartRow], reporter: Reporter) -> FittedCodec[str]:
    texts = [part.prompt for part in parts if part.prompt is not None and part.split == "train"]
    reporter.note(f"learning the codec of text (prompts: {count(len(texts))})")
    return FittedCodec(fit_text_codec(texts))


def _add_codec(
    encoded: Encoded,
    material: Material,
    modality: str,
    learned: Path,
    learn: Callable[[], tuple[FittedCodec[Any], int]],
    registry: Registry,
) -> Codec[Any]:
    """Put a codec into the corpus and read it back, so that tokens come from what is on disk and nothing else."""
    given = material.given.get(modality) or _learned_codec(learned / modality, modality, learn, registry)
    folder = material.folder / "codecs" / modality
    shutil.copytree(given.folder, folder)
    codec = load_codec(folder, registry)
    encoded.codecs[modality] = {**given.entry, "vocab_size": codec.vocab_size}
    return codec


def _learned_codec(
    folder: Path, modality: str, learn: Callable[[], tuple[FittedCodec[Any], int]], registry: Registry
) -> GivenCodec:
    """A codec that is learned now, or was before the preparation was killed."""
    facts = folder.with_name(f"{folder.name}.json")
    if not facts.is_file():
        fitted, steps = learn()
        name = fitted.codec.name
        if name not in registry.codec_names:
            raise PluginError(f"the codec {name!r} of {modality} is not registered; name it in Modality.codecs")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        quality = {key: float(value) for key, value in fitted.quality.items()}
        digest = save_codec(fitted.codec, folder)
        vocab_size = fitted.codec.vocab_size
        entry = {"name": name, "sha256": digest, "vocab_size": vocab_size, "steps": steps, "quality": quality}
        write_json(facts, entry)
    return GivenCodec(folder, json.loads(facts.read_text(encoding="utf-8")))


def _add_layer(
    encoded: Encoded,
    material: Material,
    field: Field,
    modality: str,
    codec: Codec[Any],
    values: Sequence[Any],
    reporter: Reporter,
) -> None:
    digest = encoded.codecs[modality]["sha256"]
    name = layer_name(field, digest)
    folder = material.folder / name
    folder.mkdir(parents=True)
    # Prompts cost little, and a corpus that is added to need not have had any.
    before = material.old.layer(field, digest) if material.old is not None and field == "payload" else ()
    layer = write_layer(folder, codec, values, reporter, f"encoding {field}s", before)
    encoded.layers[field] = layer
    encoded.layer_entries.append(
        {"name": name, "field": field, "modality": modality, "codec": digest, "tokens": layer.total}
    )
