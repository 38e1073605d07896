"""Stage 1 as a whole: collect, read, filter, clean, compare, split, encode."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from weft._version import __version__
from weft.errors import OptionError, PluginError, SourceError, WeftError
from weft.filters import TextScreen
from weft.interfaces.progress import Reporter
from weft.interfaces.samples import Item
from weft.interfaces.source import Source, SourceLimits
from weft.interfaces.trainer import Fit
from weft.plugins.options import place_options, resolve_options
from weft.plugins.registry import Registry
from weft.preparation.assemble import Findings, Written, part_counts, write_tables
from weft.preparation.blocks import BlockStore, cut_blocks
from weft.preparation.collect import Collection, collect
from weft.preparation.decide import Decisions, decide
from weft.preparation.encode import Encoded, Material, encode_corpus
from weft.preparation.engines.local import LocalEngine
from weft.preparation.engines.ray import RayEngine
from weft.preparation.engines.work import Engine, Work
from weft.preparation.examine import Judges, describe_error
from weft.preparation.extend import Reference, known_samples, read_reference, read_terms, reference_settings
from weft.preparation.fingerprint import plan_hash
from weft.preparation.infer import infer_modality, rejection
from weft.preparation.ledger import Tally, describe_rejections, item_row, reject
from weft.preparation.report.write import write_report
from weft.preparation.sources.locations import is_url
from weft.preparation.split import Division, split_samples
from weft.preparation.workplace import Workplace, workplace
from weft.storage.atomic import check_target, new_folder, write_json
from weft.storage.codecs import load_codec
from weft.storage.corpus import MANIFEST, SCHEMA, CorpusFolder, SourceEntry, content_hash, file_hashes
from weft.storage.hashing import hash_file
from weft.storage.payloads import LazySequence, PayloadStore
from weft.storage.tables import VerdictRow

T = TypeVar("T")

RESOLVE_ITEMS = 512
"""How many items options are derived from, evenly spaced."""

ITEM_SECONDS = 300.0
"""What reading an item may take before it is given up."""

FILTER_SHARE = 0.05
"""Of the samples: what a fitted filter may reject without a remark."""

EngineName = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """What is to be prepared, and how.

    Attributes:
        sources: Where items come from.
        out: The corpus folder to make; complete, or as it was before.
        modality: What the items are; ``None`` infers it from their extensions.
        options: Preparation options by full name (``image.size``), or without the name of the modality, as Python
            values or as typed.
        seed: Of the split.
        force: Replace a Weft folder that is in the way.
        append: Add to the corpus that is at ``out``.
        codec: A corpus whose codecs are used, instead of learning others.
        exclude: Corpora of which nothing may be in this one.
        harm: Leave harmful text out.
        filters: Files that ``weft fit-filter`` made.
        processes: How many read and clean.
        engine: Where they run.
        item_seconds: What reading an item may take.
        limits: What archives may cost.
        learned_with: Device and threads of codec learning, for the manifest.
    """

    sources: Sequence[Source]
    out: Path
    modality: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    force: bool = False
    append: bool = False
    codec: Path | None = None
    exclude: Sequence[Path] = ()
    harm: bool = True
    filters: Sequence[Path] = ()
    processes: int = 1
    engine: EngineName = "local"
    item_seconds: float = ITEM_SECONDS
    limits: SourceLimits = field(default_factory=SourceLimits)
    learned_with: Mapping[str, Any] = field(default_factory=dict)

    @property
    def local_paths(self) -> list[Path]:
        """Sources that may be files or folders of this machine."""
        locations = (source.location for source in self.sources)
        return [Path(each) for each in locations if isinstance(each, str | Path) and not is_url(each)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided before the first item is read.

    Attributes:
        judges: Everything that has a say about a sample by itself.
        options: Resolved, JSON-able, by full name.
        usable: The items that are read.
        set_aside: Verdicts on the others.
        reference: Corpora that this one depends on.
        sources: As the manifest lists them; parts refer to them by index.
    """

    judges: Judges
    options: dict[str, Any]
    usable: Sequence[Item]
    set_aside: Sequence[VerdictRow]
    reference: Reference
    sources: Sequence[SourceEntry]

    @property
    def modality(self) -> str:
        return self.judges.modality


def prepare_corpus(request: PrepareRequest, registry: Registry, fit: Fit, reporter: Reporter) -> CorpusFolder:
    """Turn raw files into a corpus folder, or add them to one.

    Args:
        request: What is to be prepared.
        registry: What plugins offer.
        fit: The training loop, for codecs that are learned.
        reporter: Where progress and derived options go.

    Raises:
        SourceError: Nothing to read, nothing usable, or several modalities and none named.
        OptionError: An option that does not exist or has an impossible value.
        PluginError: The plugin for the modality is missing or does not work.
        FolderError: ``out`` is in the way, or another corpus that is needed is damaged.
    """
    _check(request)
    request = _inherited(request)
    reference = read_reference(request.out, request.append, request.codec, request.exclude)
    for given in reference.codecs().values():
        load_codec(given.folder, registry)
    if request.modality is not None:
        registry.modality(request.modality)
    collection = collect(request.sources, registry, request.limits)
    for warning in collection.warnings:
        reporter.warn(warning)
    modality = request.modality or infer_modality(collection.items, registry)
    reference.check_modality(modality)
    items = reference.new_items(collection.items, reporter)
    if reference.old is not None and not items:
        reporter.note("there is nothing new in the sources; the corpus stays as it is")
        return reference.old
    new = Counter(item.source for item in items)
    entries = [SourceEntry(**{**dataclasses.asdict(each), "items": new[each.location]}) for each in collection.sources]
    plan = _make_plan(request, items, modality, reference, reference.sources(entries), registry, reporter)
    blocks = cut_blocks(plan.usable, plan.judges.preparer)
    with workplace(request.out, _plan_hash(request, plan), reporter) as place:
        store = _examine(plan, blocks, place, _engine(request), reporter)
        others = known_samples(reference, plan.judges)
        decisions = decide(plan.judges, store, others, place.fresh("revised"), reporter)
        _explain_if_empty(plan, store, decisions)
        division = _divide(plan, decisions, request.seed, reporter)
        findings = Findings(plan.set_aside, store, decisions, division, reference.old)
        force = request.force or request.append
        with new_folder(request.out, force=force, sources=request.local_paths, within=place.folder) as folder:
            written = write_tables(findings, folder)
            material = _material(plan, folder, written)
            encoded = encode_corpus(material, plan.judges.preparer, fit, registry, reporter, place.codecs)
            material.store.close()
            text_bytes = sum(decisions.kept[number].text_bytes for number in decisions.survivors().tolist())
            manifest = _manifest(request, plan, collection, written, division, encoded, text_bytes)
            write_json(folder / MANIFEST, {**manifest, "files": file_hashes(folder)})
            write_report(CorpusFolder.open(folder), folder, registry)
    corpus = CorpusFolder.open(request.out)
    _warn_of_filters(corpus, reporter)
    return corpus


def _warn_of_filters(corpus: CorpusFolder, reporter: Reporter) -> None:
    """Say where a filter that was fitted drops so much that it may not know what it judges."""
    counts = corpus.manifest["counts"]
    for reason, count in counts["rejected"].items():
        if reason.startswith("filter-") and count > FILTER_SHARE * counts["samples"]:
            reporter.warn(
                f"{reason} rejected {count:,} of {counts['samples']:,} samples; if it was fitted on text of another "
                f"kind, fit it again with `--background` and some of yours (docs/filters.md)"
            )


def _check(request: PrepareRequest) -> None:
    if request.seed < 0:
        raise OptionError(f"seed must be at least 0, got {request.seed}")
    if request.processes < 1:
        raise OptionError(f"processes must be at least 1, got {request.processes}")
    if not request.item_seconds > 0:
        raise OptionError(f"the seconds of an item must be above 0, got {request.item_seconds:g}")
    if request.engine not in get_args(EngineName):
        raise OptionError(f"engine must be one of {', '.join(get_args(EngineName))}, got {request.engine!r}")
    if request.append and request.force:
        raise OptionError("either add to the corpus (append) or replace it (force), not both")
    if not request.append:
        check_target(request.out, force=request.force, sources=request.local_paths)


def _inherited(request: PrepareRequest) -> PrepareRequest:
    """What is added to a corpus is under the terms under which the corpus was made.

    Raises:
        OptionError: Other filters are given than those of the corpus.
    """
    if not request.append:
        return request
    terms = read_terms(request.out)
    if [hash_file(path) for path in request.filters] != list(terms.filters):
        raise OptionError(
            f"{request.out} was prepared with {len(terms.filters)} files of filters, and what is added has to be "
            f"judged by the same; give them again, or prepare all of it anew"
        )
    exclude = list(dict.fromkeys([*terms.excluded, *request.exclude]))
    return dataclasses.replace(request, harm=terms.harm, seed=terms.seed, exclude=exclude)


def _plan_hash(request: PrepareRequest, plan: _Plan) -> str:
    """What decides what is in the corpus, and neither where it lies nor how the work is shared out."""
    reference = plan.reference
    corpora = [reference.old, reference.codec, *reference.excluded]
    settings = {
        "modality": plan.modality,
        "options": plan.options,
        "seed": request.seed,
        "harm": request.harm,
        "item_seconds": request.item_seconds,
        "learned_with": dict(request.learned_with),
        "corpora": [None if corpus is None else corpus.sha256 for corpus in corpora],
        "sources": [[source.weight, source.license, source.origin] for source in request.sources],
    }
    judges = plan.judges
    code = [judges.preparer, judges.payload_format, *judges.filters]
    return plan_hash(settings, code, plan.usable, request.filters)


def _engine(request: PrepareRequest) -> Engine:
    if request.engine == "ray":
        return RayEngine(request.processes, request.item_seconds)
    return LocalEngine(request.processes, request.item_seconds)


def _make_plan(
    request: PrepareRequest,
    items: Sequence[Item],
    modality: str,
    reference: Reference,
    sources: Sequence[SourceEntry],
    registry: Registry,
    reporter: Reporter,
) -> _Plan:
    """Set aside what is of no use, and derive the options from the rest."""
    settings = {name if "." in name else f"{modality}.{name}": value for name, value in request.options.items()}
    given = resolve_options(registry, modality, reference_settings(reference, settings))
    usable: list[Item] = []
    set_aside: list[VerdictRow] = []
    for item in items:
        reason = rejection(item, modality, registry)
        if reason is None:
            usable.append(item)
        else:
            set_aside.append(item_row(item, "rejected", "collect", reason))
    if not usable:
        raise SourceError(_explain_unusable(set_aside, modality))
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
    preparer = preparer_class(resolved)
    screens = [TextScreen(words=request.harm, filters=request.filters)] if request.harm or request.filters else []
    judges = Judges(
        modality=modality,
        preparer=preparer,
        # What is harmful goes first, so that the others judge what is left.
        filters=[*screens, *preparer.filters(), *registry.filters(modality)],
        payload_format=registry.payload_format(modality),
        near=preparer.near(),
        boilerplate=preparer.boilerplate(),
    )
    options = {f"{modality}.{name}": value for name, value in _jsonable(resolved).items()}
    return _Plan(judges, options, usable, set_aside, reference, sources)


def evenly_spaced(items: Sequence[T], count: int) -> Sequence[T]:
    """At most so many of some things, from the whole range."""
    if len(items) <= count:
        return items
    return [items[place * len(items) // count] for place in range(count)]


def _examine(
    plan: _Plan, blocks: Sequence[Sequence[Item]], place: Workplace, engine: Engine, reporter: Reporter
) -> BlockStore:
    store = BlockStore(place.blocks, len(blocks))
    missing = store.missing()
    if len(missing) < len(blocks):
        reporter.note(f"going on with what was done before: {len(blocks) - len(missing):,} of {len(blocks):,} blocks")
    todo = sum(len(blocks[number]) for number in missing)
    kept = 0
    with reporter.task(f"reading {plan.modality}", todo, "item") as task:
        for number, count in engine.examine(Work(plan.judges, blocks, store), store, missing):
            kept += count
            task.advance(len(blocks[number]), kept=kept)
    return store


def _divide(plan: _Plan, decisions: Decisions, seed: int, reporter: Reporter) -> Division:
    survivors = decisions.survivors().tolist()
    payloads = LazySequence(len(survivors), lambda index: decisions.payloads[survivors[index]])
    kept = [decisions.kept[number] for number in survivors]
    judges = plan.judges
    places = {source.location: place for place, source in enumerate(plan.sources)}
    division = split_samples(kept, seed, payloads, judges.preparer, judges.payload_format, places)
    counts = part_counts(division.parts)
    if not counts["validation"] and not plan.reference.old_counts("validation"):
        reporter.warn("there is too little to hold anything out, so overfitting cannot be noticed; add more data")
    else:
        reporter.note(
            f"held out for validation ({division.way}): {counts['validation']:,} of {counts['parts']:,} parts"
        )
    return division


def _material(plan: _Plan, folder: Path, written: Written) -> Material:
    return Material(
        folder=folder,
        modality=plan.modality,
        store=PayloadStore([folder / name for name in written.payload_names]),
        parts=written.parts,
        payload_format=plan.judges.payload_format,
        given=plan.reference.codecs(),
        old=plan.reference.old,
        old_parts=written.old_parts,
    )


def _explain_if_empty(plan: _Plan, store: BlockStore, decisions: Decisions) -> None:
    """Raises SourceError where nothing is kept."""
    if len(decisions.survivors()) or plan.reference.old is not None:
        return
    raise SourceError(_explain_unusable([*plan.set_aside, *_rejected(store, decisions)], plan.modality))


def _rejected(store: BlockStore, decisions: Decisions) -> Iterator[VerdictRow]:
    number = 0
    for row in store.verdicts():
        if row.verdict == "kept":
            found = decisions.rejected[number]
            reject(row, found.stage, found.reason)
            number += 1
        yield row


def _explain_unusable(rows: Sequence[VerdictRow], modality: str) -> str:
    tally = Tally()
    for row in rows:
        tally.add(row)
    first = tally.first
    example = f" (for example {first.item}: {first.detail})" if first is not None and first.detail else ""
    return f"no usable {modality} sample is left: {describe_rejections(tally.counts())}{example}; check the sources"


def _manifest(
    request: PrepareRequest,
    plan: _Plan,
    collection: Collection,
    written: Written,
    division: Division,
    encoded: Encoded,
    text_bytes: int,
) -> dict[str, Any]:
    reference = plan.reference
    old = reference.old
    learned_with = dict(request.learned_with) if old is None else old.manifest.get("learned_with", {})
    hashes = {modality: entry["sha256"] for modality, entry in encoded.codecs.items()}
    layers = {str(name): layer for name, layer in encoded.layers.items()}
    weights = [source.weight for source in plan.sources]
    places = {f"{plan.modality}.{name}" for name in place_options(plan.judges.preparer.options)}
    content = {name: value for name, value in plan.options.items() if name not in places}
    if set(weights) != {1.0}:
        content["weights"] = weights
    tables = Counter(dataclasses.asdict(collection.tables)) + Counter(reference.old_counts("table_rows") or {})
    return {
        "kind": "corpus",
        "schema": SCHEMA,
        "weft": __version__,
        "modality": plan.modality,
        "sources": [dataclasses.asdict(source) for source in plan.sources],
        "payloads": list(written.payload_names),
        "options": plan.options,
        "screened": {
            "harm": request.harm,
            "filters": [path.name for path in request.filters],
            "sha256": [hash_file(path) for path in request.filters],
        },
        "excluded": [str(path) for path in request.exclude],
        "seed": request.seed,
        "learned_with": learned_with,
        "held_out": division.way if old is None else str(old.manifest["held_out"]),
        "counts": {
            **_checked_counts(written, plan, old),
            **part_counts(written.parts),
            "auxiliary": collection.auxiliary + (reference.old_counts("auxiliary") or 0),
            "table_rows": {name: tables[name] for name in dataclasses.asdict(collection.tables)},
        },
        "codecs": encoded.codecs,
        "layers": encoded.layer_entries,
        "tokens": encoded.layers["payload"].total,
        "text_bytes": text_bytes + (0 if old is None else int(old.manifest["text_bytes"])),
        "sha256": content_hash(plan.modality, written.parts, content, hashes, layers),
    }


def _checked_counts(written: Written, plan: _Plan, old: CorpusFolder | None) -> dict[str, Any]:
    """Figures for the manifest.

    Raises:
        AssertionError: Something was lost on the way, which would be a defect of the pipeline.
    """
    counts = written.tally.counts()
    before = 0 if old is None else int(old.manifest["counts"]["items"])
    offered = before + len(plan.usable) + len(plan.set_aside)
    if counts["items"] != offered:
        raise AssertionError(f"{offered} items were offered, but counted: {counts}")
    if counts["kept"] != len({(part.item, part.sample) for part in written.parts}):
        raise AssertionError(f"{len(written.parts)} parts were stored, but counted: {counts}")
    return counts


def _jsonable(options: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(options), default=str))
    return values


def _report_derived(modality: str, given: Any, resolved: Any, reporter: Reporter) -> None:
    before, after = _jsonable(given), _jsonable(resolved)
    for name, value in after.items():
        if value != before[name]:
            reporter.note(f"{modality}.{name} = {value} (from the data)")
