"""Stage 1 as a whole: collect, read, filter, clean, deduplicate, split, encode."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from weft._version import __version__
from weft.errors import OptionError, PluginError, SourceError, WeftError
from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer
from weft.interfaces.progress import Reporter
from weft.interfaces.samples import Item, Split
from weft.interfaces.trainer import Fit
from weft.plugins.options import resolve_options
from weft.plugins.registry import Registry
from weft.preparation.collect import Collection, collect, printable_name
from weft.preparation.encode import Encoded, Material, encode_corpus
from weft.preparation.examine import Examiner, KeptSample, describe_error
from weft.preparation.infer import infer_modality, rejection
from weft.preparation.ledger import Ledger, describe_rejections
from weft.preparation.split import Division, split_samples
from weft.storage.atomic import check_target, new_folder, write_json
from weft.storage.corpus import (
    MANIFEST,
    PAYLOADS,
    SAMPLES,
    SCHEMA,
    VERDICTS_FILE,
    CorpusFolder,
    content_hash,
    file_hashes,
)
from weft.storage.payloads import PayloadStore, PayloadWriter
from weft.storage.tables import PARTS, VERDICTS, write_rows

T = TypeVar("T")

RESOLVE_ITEMS = 512
"""How many items options are derived from, evenly spaced."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided before the first item is read.

    Attributes:
        modality: Of the corpus.
        preparer: With resolved options.
        payload_format: How payloads are stored.
        options: Resolved, JSON-able, by full name.
        usable: The items that are read.
    """

    modality: str
    preparer: AnyPreparer
    payload_format: PayloadFormat[Any]
    options: dict[str, Any]
    usable: Sequence[Item]


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading left on disk, in short.

    Attributes:
        kept: The stored samples.
        text_bytes: UTF-8 bytes of text payloads.
    """

    kept: Sequence[KeptSample]
    text_bytes: int


def prepare_corpus(
    sources: Sequence[Path],
    out: Path,
    *,
    modality_name: str | None,
    options: Mapping[str, Any],
    seed: int,
    force: bool,
    registry: Registry,
    fit: Fit,
    reporter: Reporter,
    learned_with: Mapping[str, Any] | None = None,
) -> CorpusFolder:
    """Turn raw files into a corpus folder.

    Args:
        sources: Files and folders.
        out: The corpus folder to make; complete, or as it was before.
        modality_name: What the files are; ``None`` infers it from their extensions.
        options: Preparation options by full name (``image.size``), as Python values or as typed.
        seed: Of the split.
        force: Replace a Weft folder that is in the way.
        registry: What plugins offer.
        fit: The training loop, for codecs that are learned.
        reporter: Where progress and derived options go.
        learned_with: Device and threads of ``fit``, for the manifest.

    Raises:
        SourceError: Nothing to read, nothing usable, or several modalities and none named.
        OptionError: An option that does not exist or has an impossible value, or a negative seed.
        PluginError: The plugin for the modality is missing or does not work.
        FolderError: ``out`` is in the way.
    """
    if seed < 0:
        raise OptionError(f"seed must be at least 0, got {seed}")
    check_target(out, force=force, sources=sources)
    if modality_name is not None:
        registry.modality(modality_name)
    collection = collect(sources)
    _report_tables(collection, reporter)
    modality = modality_name or infer_modality(collection.items, registry)
    ledger = Ledger()
    plan = _make_plan(collection.items, modality, options, ledger, registry, reporter)
    with new_folder(out, force=force, sources=sources) as folder:
        read = _read_items(plan, folder, ledger, registry, reporter)
        counts = _checked_counts(ledger, collection.items, read.kept, plan.modality)
        read_store = PayloadStore(sorted((folder / ".read").iterdir()))
        division = split_samples(read.kept, seed, read_store, plan.preparer, plan.payload_format)
        _report_split(division, reporter)
        with PayloadWriter(folder / PAYLOADS) as writer:
            for payload in division.payloads:
                writer.append(payload)
        read_store.close()
        shutil.rmtree(folder / ".read")
        store = PayloadStore(sorted((folder / PAYLOADS).iterdir()))
        material = Material(folder, modality, store, division.parts, plan.payload_format)
        encoded = encode_corpus(material, plan.preparer, fit, registry, reporter)
        store.close()
        ledger.assign_splits(_sides(division))
        write_rows(folder / SAMPLES, division.parts, PARTS)
        write_rows(folder / VERDICTS_FILE, ledger.rows, VERDICTS)
        facts = {
            "sources": [{"location": printable_name(str(source))} for source in sources],
            "payloads": [f"{PAYLOADS}/{path.name}" for path in sorted((folder / PAYLOADS).iterdir())],
            "seed": seed,
            "learned_with": dict(learned_with or {}),
            "counts": {
                **counts,
                **_part_counts(division),
                "auxiliary": collection.auxiliary,
                "table_rows": dataclasses.asdict(collection.tables),
            },
            "text_bytes": read.text_bytes,
        }
        write_json(folder / MANIFEST, {**_manifest(plan, division, encoded), **facts, "files": file_hashes(folder)})
    return CorpusFolder.open(out)


def _make_plan(
    items: Sequence[Item],
    modality: str,
    settings: Mapping[str, Any],
    ledger: Ledger,
    registry: Registry,
    reporter: Reporter,
) -> _Plan:
    """Set aside what is of no use, and derive the options from the rest."""
    given = resolve_options(registry, modality, settings)
    usable: list[Item] = []
    for item in items:
        reason = rejection(item, modality, registry)
        if reason is None:
            usable.append(item)
        else:
            ledger.item_rejected(item, "collect", reason)
    if not usable:
        raise SourceError(_explain_unusable(ledger, modality))
    preparer_class = registry.preparer_class(modality)
    try:
        resolved = preparer_class.resolve(given, evenly_spaced(usable, RESOLVE_ITEMS))
    except WeftError:
        raise
    except Exception as error:
        raise PluginError(
            f"the plugin for {modality} cannot derive its options from the data ({describe_error(error)}); "
            f"set them with --set, or report it to its author"
        ) from error
    _report_derived(modality, given, resolved, reporter)
    return _Plan(
        modality=modality,
        preparer=preparer_class(resolved),
        payload_format=registry.payload_format(modality),
        options={f"{modality}.{name}": value for name, value in _jsonable(resolved).items()},
        usable=usable,
    )


def evenly_spaced(items: Sequence[T], count: int) -> Sequence[T]:
    """At most so many of some things, from the whole range."""
    if len(items) <= count:
        return items
    return [items[place * len(items) // count] for place in range(count)]


def _read_items(plan: _Plan, folder: Path, ledger: Ledger, registry: Registry, reporter: Reporter) -> _Read:
    filters = [*plan.preparer.filters(), *registry.filters(plan.modality)]
    with (
        PayloadWriter(folder / ".read") as writer,
        reporter.task(f"reading {plan.modality}", len(plan.usable), "item") as task,
    ):
        examiner = Examiner(plan.modality, plan.preparer, filters, plan.payload_format, ledger, writer)
        for item in plan.usable:
            examiner.examine(item)
            task.advance(kept=len(examiner.kept))
    return _Read(examiner.kept, examiner.text_bytes)


def _checked_counts(ledger: Ledger, items: Sequence[Item], kept: Sequence[KeptSample], modality: str) -> dict[str, Any]:
    """Figures for the manifest.

    Raises:
        SourceError: Nothing is kept.
        AssertionError: Something was lost on the way, which would be a defect of the pipeline.
    """
    counts = ledger.counts()
    if counts["items"] != len(items) or counts["kept"] != len(kept):
        raise AssertionError(f"{len(items)} items were offered and {len(kept)} samples stored, but counted: {counts}")
    if not kept:
        raise SourceError(_explain_unusable(ledger, modality))
    return counts


def _explain_unusable(ledger: Ledger, modality: str) -> str:
    first = next((row for row in ledger.rows if row.verdict == "rejected"), None)
    example = f" (for example {first.item}: {first.detail})" if first is not None and first.detail else ""
    return f"no usable {modality} sample is left: {describe_rejections(ledger.counts())}{example}; check the sources"


def _manifest(plan: _Plan, division: Division, encoded: Encoded) -> dict[str, Any]:
    hashes = {modality: entry["sha256"] for modality, entry in encoded.codecs.items()}
    return {
        "kind": "corpus",
        "schema": SCHEMA,
        "weft": __version__,
        "modality": plan.modality,
        "options": plan.options,
        "held_out": division.way,
        "codecs": encoded.codecs,
        "layers": encoded.layer_entries,
        "tokens": encoded.layers["payload"].total,
        "sha256": content_hash(
            plan.modality, division.parts, plan.options, hashes, {str(k): v for k, v in encoded.layers.items()}
        ),
    }


def _part_counts(division: Division) -> dict[str, int]:
    held_out = sum(part.split == "validation" for part in division.parts)
    return {"parts": len(division.parts), "train": len(division.parts) - held_out, "validation": held_out}


def _sides(division: Division) -> dict[tuple[str, int], Split | None]:
    """The side of each sample; ``None`` where its parts are on both."""
    sides: dict[tuple[str, int], Split | None] = {}
    for part in division.parts:
        key = (part.item, part.sample)
        sides[key] = part.split if sides.get(key, part.split) == part.split else None
    return sides


def _jsonable(options: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(options), default=str))
    return values


def _report_derived(modality: str, given: Any, resolved: Any, reporter: Reporter) -> None:
    before, after = _jsonable(given), _jsonable(resolved)
    for name, value in after.items():
        if value != before[name]:
            reporter.note(f"{modality}.{name} = {value} (from the data)")


def _report_tables(collection: Collection, reporter: Reporter) -> None:
    tables = collection.tables
    for count, what in (
        (tables.unmatched, "name a file that is not there"),
        (tables.repeated, "describe a file that an earlier row describes"),
        (tables.broken, "cannot be read"),
    ):
        if count:
            reporter.warn(f"rows of tables that {what} are left out: {count}")


def _report_split(division: Division, reporter: Reporter) -> None:
    counts = _part_counts(division)
    if not counts["validation"]:
        reporter.warn("there is too little to hold anything out, so overfitting cannot be noticed; add more data")
        return
    reporter.note(f"held out for validation ({division.way}): {counts['validation']} of {counts['parts']} parts")
