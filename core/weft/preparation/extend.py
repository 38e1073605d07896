"""Corpora that a new one depends on: the one that it adds to, the one whose codecs it takes, those that it excludes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.errors import FolderError, OptionError
from weft.interfaces.progress import Reporter
from weft.interfaces.samples import Item
from weft.preparation.decide import Others
from weft.preparation.encode import GivenCodec
from weft.preparation.examine import Judges, KeptSample
from weft.storage.corpus import SIGNATURES, CorpusFolder, SourceEntry
from weft.storage.payloads import LazySequence, PayloadStore
from weft.storage.signatures import SignatureTable
from weft.storage.tables import PartRow

SIGNED_AT_ONCE = 256


@dataclass(slots=True)
class Reference:
    """Corpora that a new one depends on.

    Attributes:
        old: The one that it adds to.
        codec: The one whose codecs it takes.
        excluded: Those of which nothing may be in it.
    """

    old: CorpusFolder | None = None
    codec: CorpusFolder | None = None
    excluded: Sequence[CorpusFolder] = ()

    def check_modality(self, modality: str) -> None:
        """Raise :class:`weft.OptionError` where one is of another modality."""
        named = [(self.old, "added to"), (self.codec, "the codec's")]
        named += [(corpus, "excluded") for corpus in self.excluded]
        for corpus, what in named:
            if corpus is not None and corpus.modality != modality:
                raise OptionError(
                    f"the sources are {modality}, but {corpus.path}, which is {what}, is a corpus of {corpus.modality}"
                )

    def codecs(self) -> dict[str, GivenCodec]:
        """Modality to the codec that is to be used instead of a new one."""
        corpus = self.old or self.codec
        if corpus is None:
            return {}
        entries: Mapping[str, Mapping[str, Any]] = corpus.manifest["codecs"]
        return {name: GivenCodec(corpus.codec_folder(name), entry) for name, entry in entries.items()}

    def new_items(self, items: Sequence[Item], reporter: Reporter) -> list[Item]:
        """Items that the old corpus does not know yet.

        Raises:
            OptionError: One has the name of an item of another source.
        """
        if self.old is None:
            return list(items)
        known = {row["item"]: row["source"] for row in self.old.verdicts() if row["sample"] is None}
        new = [item for item in items if item.name not in known]
        clashes = [item for item in items if item.name in known and known[item.name] != item.source]
        if clashes:
            raise OptionError(
                f"{clashes[0].source} and {known[clashes[0].name]} both have an item {clashes[0].name}; "
                f"name the folder above, or another, so that their items have different names"
            )
        if len(new) < len(items):
            reporter.note(f"in the corpus already, and left as they are: {len(items) - len(new):,} items")
        return new

    def sources(self, entries: Sequence[SourceEntry]) -> list[SourceEntry]:
        """Sources of the old corpus and the new ones, in the order of their index.

        Args:
            entries: What is added, with the number of items that are new.

        Raises:
            OptionError: A source that the corpus knows is given other terms.
        """
        old = self.old.sources if self.old is not None else []
        merged = {source.location: source for source in old}
        for entry in entries:
            before = merged.get(entry.location)
            if before is None:
                merged[entry.location] = entry
                continue
            # What is added of a source that the corpus knows is under the terms that it knows.
            different = [name for name in ("weight", "license", "origin") if _contradicts(name, before, entry)]
            if different:
                raise OptionError(
                    f"{entry.location} is in the corpus with {different[0]} {getattr(before, different[0])}, which "
                    f"cannot be changed by adding to it; leave it out, or prepare all of it anew"
                )
            merged[entry.location] = replace(before, items=(before.items or 0) + (entry.items or 0))
        return list(merged.values())

    def old_counts(self, name: str) -> Any:
        """A figure of the old corpus; ``None`` without one."""
        return None if self.old is None else self.old.manifest["counts"].get(name)


def _contradicts(name: str, before: SourceEntry, entry: SourceEntry) -> bool:
    said = getattr(entry, name)
    return bool(said != getattr(SourceEntry(""), name) and said != getattr(before, name))


def read_reference(out: Path, append: bool, codec: Path | None, exclude: Sequence[Path]) -> Reference:
    """Open the corpora that are needed.

    Raises:
        FolderError: One is missing or damaged.
        OptionError: A codec is given for a corpus that is added to.
    """
    if append and codec is not None:
        raise OptionError("a corpus that is added to keeps its codecs; leave the codec out")
    return Reference(
        old=CorpusFolder.open(out) if append else None,
        codec=CorpusFolder.open(codec) if codec is not None else None,
        excluded=[CorpusFolder.open(path) for path in exclude],
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms a corpus was made, besides its options.

    Attributes:
        harm: Whether harmful text was left out.
        filters: Hashes of the filters that judged.
        excluded: Corpora of which nothing is in it.
        seed: Of the split.
    """

    harm: bool
    filters: Sequence[str]
    excluded: Sequence[Path]
    seed: int


def read_terms(path: Path) -> Terms:
    """Those of a corpus that is to be added to.

    Raises:
        FolderError: It is missing or damaged.
        OptionError: A corpus that it excludes is not where it was.
    """
    if not (path / "corpus.json").is_file():
        raise FolderError(f"{path} is no corpus that can be added to; prepare it first, without append")
    manifest = CorpusFolder.open(path).manifest
    screened: Mapping[str, Any] = manifest.get("screened") or {}
    excluded = [Path(name) for name in manifest.get("excluded", ())]
    missing = [str(each) for each in excluded if not (each / "corpus.json").is_file()]
    if missing:
        raise OptionError(
            f"{path} holds nothing of the corpus {missing[0]}, which is not there to compare with; put it back, or "
            f"work from the folder from which the corpus was prepared"
        )
    return Terms(bool(screened.get("harm", True)), screened.get("sha256", ()), excluded, int(manifest["seed"]))


def reference_settings(reference: Reference, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of the user, completed from the corpus whose codecs are used.

    Raises:
        OptionError: A corpus that is added to was prepared otherwise.
    """
    corpus = reference.old or reference.codec
    if corpus is None:
        return settings
    options: Mapping[str, Any] = corpus.manifest["options"]
    if reference.old is not None:
        different = [name for name, value in settings.items() if name in options and str(options[name]) != str(value)]
        if different:
            name = different[0]
            raise OptionError(
                f"{corpus.path} was prepared with {name} = {options[name]}, and what is added has to be the same; "
                f"leave the option out, or prepare all of it anew"
            )
    return {**options, **settings}


def known_samples(reference: Reference, judges: Judges) -> Others:
    """The samples that new ones are compared with."""
    corpora = [(corpus, True) for corpus in reference.excluded]
    corpora += [(reference.old, False)] if reference.old is not None else []
    names: list[str] = []
    kept: list[KeptSample] = []
    excluded: list[bool] = []
    tables: list[SignatureTable] = []
    payloads: list[tuple[PayloadStore, int]] = []
    for corpus, is_excluded in corpora:
        rows = _first_parts(corpus)
        prefix = f"{corpus.path.name}:" if is_excluded else ""
        names += [f"{prefix}{part.item}#{part.sample}" for _, part in rows]
        kept += [
            KeptSample(part.item, part.sample, part.prompt, sha, rank=0.0) for sha, (_, part) in _hashed(corpus, rows)
        ]
        excluded += [is_excluded] * len(rows)
        store = PayloadStore(corpus.payload_paths)
        payloads += [(store, row) for row, _ in rows]
        if judges.near is not None:
            tables.append(_signatures(corpus, is_excluded, store, [row for row, _ in rows], judges))
    return Others(
        names=names,
        kept=kept,
        payloads=LazySequence(len(payloads), lambda index: payloads[index][0][payloads[index][1]]),
        signatures=SignatureTable.joined(tables) if tables else None,
        excluded=excluded,
    )


def _first_parts(corpus: CorpusFolder) -> list[tuple[int, PartRow]]:
    """The first part of each sample, with its row: most of a sample that was cut, all of any other."""
    return [(row, part) for row, part in enumerate(corpus.part_rows()) if part.part == 0]


def _hashed(corpus: CorpusFolder, rows: Sequence[tuple[int, PartRow]]) -> list[tuple[str, tuple[int, PartRow]]]:
    """Each with the hash of the whole sample, which that of a part is not."""
    whole = {(row["item"], row["sample"]): row["sha256"] for row in corpus.verdicts() if row["verdict"] == "kept"}
    return [(whole.get((part.item, part.sample)) or part.sha256, (row, part)) for row, part in rows]


def _signatures(
    corpus: CorpusFolder, is_excluded: bool, store: PayloadStore, rows: Sequence[int], judges: Judges
) -> SignatureTable:
    """Those that the corpus keeps, or new ones where it was prepared with other options."""
    path = corpus.path / SIGNATURES
    if not is_excluded and path.is_file():
        table = SignatureTable.load(path)
        if len(table) == len(rows):
            return table
    assert judges.near is not None
    tables = []
    for start in range(0, len(rows), SIGNED_AT_ONCE):
        batch = [judges.payload_format.from_bytes(store[row]) for row in rows[start : start + SIGNED_AT_ONCE]]
        tables.append(SignatureTable.from_signatures(judges.near.sign(batch)))
    return SignatureTable.joined(tables) if tables else _no_signatures()


def _no_signatures() -> SignatureTable:
    return SignatureTable(np.empty(0, np.uint64), np.zeros(1, np.int64), np.empty((0, 0), np.uint64))
