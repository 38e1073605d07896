"""The corpus folder: cleaned samples, their tokens, and what became of everything that was offered.

corpus.json        manifest
payloads/NNNNN.parquet the cleaned payloads, one row a part of a kept sample
samples.parquet        item, sample, part, split, prompt, hash and source of the same rows, in the same order
verdicts.parquet       one row for every item and every sample: kept, read or rejected, where and why
examples.parquet       a few rejected samples of each reason, to show to a person
signatures.npz         what near-duplicates of kept samples are found by, where the modality looks for them
codecs/MODALITY/       what made the tokens
tokens/FIELD-HASH/     token layers: field ``payload`` or ``prompt``, by the first digits of the codec's hash
report.html, report/   what a person sees of all this; README.md is the data card
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from weft.errors import FolderError
from weft.interfaces.codec import Codec
from weft.interfaces.modality import MODALITY_NAME
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.samples import P, Sample, Split
from weft.plugins.registry import Registry
from weft.storage.codecs import load_codec
from weft.storage.hashing import hash_bytes, hash_file, hash_json
from weft.storage.payloads import PayloadStore, stored_samples
from weft.storage.schema import read_fields, read_manifest
from weft.storage.tables import EXAMPLES, PARTS, VERDICTS, PartRow, read_table
from weft.storage.tokens import TokenLayer

SCHEMA = 2
MANIFEST = "corpus.json"
PAYLOADS = "payloads"
SAMPLES = "samples.parquet"
VERDICTS_FILE = "verdicts.parquet"
EXAMPLES_FILE = "examples.parquet"
SIGNATURES = "signatures.npz"
REPORT, REPORT_MEDIA, CARD = "report.html", "report", "README.md"

DERIVED = frozenset({REPORT, REPORT_MEDIA, CARD})
"""What is made from the rest, and may be made again: no part of what the manifest vouches for."""

Field = Literal["payload", "prompt"]


@dataclass(frozen=True, slots=True)
class _Counts:
    """Figures of a manifest: items = read + rejected, samples = kept + rejected, parts = train + validation."""

    items: int
    items_read: int
    items_rejected: dict[str, int]
    samples: int
    kept: int
    rejected: dict[str, int]
    parts: int
    train: int
    validation: int
    table_rows: dict[str, int]
    auxiliary: int = 0


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """What a manifest says of a source.

    Attributes:
        location: What the user named.
        weight: How often its samples are seen in training, relative to those of the others.
        license: Of everything in it that states none of its own.
        origin: Where it comes from, in the user's words.
        items: How many it offered.
    """

    location: str
    weight: float = 1.0
    license: str | None = None
    origin: str | None = None
    items: int | None = None


@dataclass(frozen=True, slots=True)
class _CodecEntry:
    """What a manifest says of a codec."""

    name: str
    sha256: str
    vocab_size: int
    quality: dict[str, float]
    steps: int = 0


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What ``corpus.json`` holds at least, besides its kind and schema."""

    modality: str
    sources: list[SourceEntry]
    payloads: list[str]
    options: dict[str, Any]
    seed: int
    held_out: str
    counts: _Counts
    codecs: dict[str, _CodecEntry]
    layers: list[dict[str, Any]]
    tokens: int
    text_bytes: int
    sha256: str
    files: dict[str, str]


class CorpusFolder:
    """A corpus on disk; make one with :meth:`open`."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder that ``weft prepare`` made.

        Raises:
            FolderError: It is missing, incomplete, damaged or of a newer schema.
        """
        manifest = read_manifest(path, "corpus", SCHEMA)
        _check_manifest(path / MANIFEST, manifest)
        for name in manifest["files"]:
            if not (path / name).is_file():
                raise FolderError(
                    f"{path} is incomplete: {name} is missing; copy the whole folder, or prepare it again"
                )
        return cls(path, manifest)

    @property
    def modality(self) -> str:
        return str(self.manifest["modality"])

    @property
    def sources(self) -> list[SourceEntry]:
        """What it was made from; ``samples.parquet`` refers to them by index."""
        return [read_fields(SourceEntry, entry, str(self.path / MANIFEST)) for entry in self.manifest["sources"]]

    @property
    def sha256(self) -> str:
        """Hash of the content: equal for equal sources, options and seed, wherever the folder lies. A learned codec
        depends on the device and the number of threads as well."""
        return str(self.manifest["sha256"])

    @cached_property
    def splits(self) -> npt.NDArray[np.str_]:
        """``train`` or ``validation`` for each part, shape ``(parts,)``."""
        return np.asarray(self._parts.column("split").to_pylist(), dtype=np.str_)

    @cached_property
    def prompts(self) -> list[str | None]:
        """The prompt of each part; ``None`` for a part without one."""
        return list(self._parts.column("prompt").to_pylist())

    @property
    def has_prompts(self) -> bool:
        return any(prompt is not None for prompt in self.prompts)

    def __len__(self) -> int:
        """Number of parts."""
        return int(self._parts.num_rows)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """The weight of each part, that of its source, shape ``(parts,)``; ``None`` where all are 1."""
        weights = np.asarray([source.weight for source in self.sources], np.float64)
        if np.all(weights == 1):
            return None
        source = np.asarray(self._parts.column("source").fill_null(0), np.int64)
        return np.asarray(weights[source])

    def rows(self, split: Split | None = None) -> npt.NDArray[np.int64]:
        """Indices of the parts on one side of the split, or of all."""
        return np.arange(len(self)) if split is None else np.flatnonzero(self.splits == split)

    def samples(self, payload_format: PayloadFormat[P], split: Split | None = None) -> Sequence[Sample[P]]:
        """The parts on one side of the split, or all, decoded on access."""
        return stored_samples(self._payloads, self.prompts, payload_format, self.rows(split).tolist())

    def verdicts(self) -> list[dict[str, Any]]:
        """What became of every item and sample, as written (:class:`weft.storage.tables.VerdictRow`)."""
        return list(read_table(self.path / VERDICTS_FILE, VERDICTS).to_pylist())

    def examples(self) -> list[dict[str, Any]]:
        """A few rejected samples of each reason (:class:`weft.storage.tables.ExampleRow`)."""
        path = self.path / EXAMPLES_FILE
        return list(read_table(path, EXAMPLES).to_pylist()) if path.is_file() else []

    def part_rows(self) -> list[PartRow]:
        """The parts, in the order of their payloads."""
        return [PartRow(**{**row, "source": row["source"] or 0}) for row in self._parts.to_pylist()]

    def part_name(self, index: int) -> str:
        """The sample that a part is of, as ``weft why`` takes it."""
        (row,) = self._parts.select(["item", "sample"]).slice(index, 1).to_pylist()
        return f"{row['item']}#{row['sample']}"

    @property
    def payload_paths(self) -> list[Path]:
        """Files of the payloads, in their order."""
        return [self.path / name for name in self.manifest["payloads"]]

    def codec_folder(self, modality: str) -> Path:
        """Folder of the codec of a modality: the corpus's own, or ``text`` where there are prompts."""
        self._codec_entry(modality)
        return self.path / "codecs" / modality

    def codec_hash(self, modality: str) -> str:
        return str(self._codec_entry(modality)["sha256"])

    def codec(self, modality: str, registry: Registry) -> Codec[Any]:
        """Load the codec of a modality.

        Raises:
            FolderError: The corpus has none, or it is damaged.
            PluginError: The plugin that provides it is missing.
        """
        return load_codec(self.codec_folder(modality), registry)

    def layer_folder(self, field: Field, codec_hash: str) -> Path:
        """Where the tokens of a field under a codec are, or would be."""
        return self.path / layer_name(field, codec_hash)

    def has_layer(self, field: Field, codec_hash: str) -> bool:
        return (self.layer_folder(field, codec_hash) / "offsets.npy").is_file()

    def layer(self, field: Field, codec_hash: str) -> TokenLayer:
        """Tokens of each part's payload or prompt; an empty run where a part has no prompt.

        Raises:
            FolderError: There is no such layer, or it is damaged.
        """
        if not self.has_layer(field, codec_hash):
            raise FolderError(f"{self.path} has no {field} tokens of the codec {codec_hash[:12]}; prepare it again")
        layer = TokenLayer.open(self.layer_folder(field, codec_hash))
        if len(layer) != len(self):
            raise FolderError(
                f"{self.layer_folder(field, codec_hash)} is damaged: it has {len(layer)} parts, the corpus {len(self)}"
            )
        return layer

    def verify(self, skip: Collection[str] = ()) -> None:
        """Compare files with the hashes in the manifest.

        Args:
            skip: Names of files and folders that are not read.

        Raises:
            FolderError: A file is missing or has changed.
        """
        for name, expected in self.manifest["files"].items():
            path = self.path / name
            if name in skip or name.split("/")[0] in skip:
                continue
            if not path.is_file() or hash_file(path) != expected:
                raise FolderError(f"{path} is damaged: it is not what was prepared; copy it again or prepare anew")

    @cached_property
    def _parts(self) -> Any:
        return read_table(self.path / SAMPLES, PARTS)

    @cached_property
    def _payloads(self) -> PayloadStore:
        store = PayloadStore(self.payload_paths)
        if len(store) != len(self):
            raise FolderError(f"{self.path} is damaged: {PAYLOADS} has {len(store)} rows, {SAMPLES} {len(self)}")
        return store

    def _codec_entry(self, modality: str) -> Mapping[str, Any]:
        codecs: Mapping[str, Mapping[str, Any]] = self.manifest["codecs"]
        if modality not in codecs:
            raise FolderError(f"{self.path} has no {modality} codec (it has: {', '.join(codecs)})")
        return codecs[modality]


def layer_name(field: Field, codec_hash: str) -> str:
    """Name of a token layer inside a corpus, ``/``-separated."""
    return f"tokens/{field}-{codec_hash[:12]}"


def content_hash(
    modality: str,
    parts: Sequence[PartRow],
    options: Mapping[str, Any],
    codecs: Mapping[str, str],
    layers: Mapping[str, TokenLayer],
) -> str:
    """What identifies a corpus: its content, and neither file formats, places nor times.

    Args:
        modality: Of the payloads.
        parts: In the order in which they are stored.
        options: Resolved, JSON-able.
        codecs: Modality to codec hash.
        layers: Field to tokens.
    """
    tokens = {
        field: hash_json([hash_bytes(ids.astype("<u4").tobytes()) for ids in layer]) for field, layer in layers.items()
    }
    content = [[part.sha256, part.split, part.prompt] for part in parts]
    return hash_json([modality, hash_json(content), options, dict(codecs), tokens])


def file_hashes(folder: Path) -> dict[str, str]:
    """Relative name to hash of everything in an unfinished corpus but its manifest and what is derived."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    left_out = DERIVED | {MANIFEST}
    return {name: hash_file(path) for name, path in sorted(files.items()) if name.split("/")[0] not in left_out}


def _check_manifest(path: Path, values: Mapping[str, Any]) -> None:
    manifest = read_fields(_Manifest, values, str(path))
    names_fit = all(MODALITY_NAME.fullmatch(name) for name in (manifest.modality, *manifest.codecs))
    if not names_fit or manifest.modality not in manifest.codecs:
        raise FolderError(f"{path} is damaged: its codecs are not listed properly; prepare the corpus again")
    for name in (*manifest.files, *manifest.payloads):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise FolderError(f"{path} is damaged: it lists the file {name!r}, which is outside of the folder")
