"""Which modality the items are, and which of them belong to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.errors import PluginError, SourceError
from weft.interfaces.samples import Item, Reason
from weft.interfaces.source import Source
from weft.plugins.official import official_plugin_for
from weft.plugins.registry import Registry
from weft.preparation.collect import collect
from weft.preparation.sources.entries import Refusal

TABLE_EXTENSIONS = frozenset({".csv", ".tsv", ".jsonl", ".parquet"})


def infer_modality(items: Sequence[Item], registry: Registry) -> str:
    """The one modality whose extensions the items have; items of unknown extensions have no say, and tables none beside
    other items: one that describes nothing may lie in any folder.

    Raises:
        SourceError: There are several, or none.
    """
    known = [item for item in items if not isinstance(item.open, Refusal) and _modalities_of(item, registry)]
    if not known:
        raise SourceError(_explain_none(items, registry))
    telling = [item for item in known if item.suffix not in TABLE_EXTENSIONS] or known
    candidates = set.intersection(*(_modalities_of(item, registry) for item in telling))
    if len(candidates) == 1:
        return candidates.pop()
    raise SourceError(_explain_several(telling, registry))


def modality_of(sources: Sequence[Source | str | Path | Any], registry: Registry) -> str:
    """As :func:`infer_modality`, for sources that are not collected yet.

    Raises:
        SourceError: There is nothing in the sources, or they are of several modalities, or of none.
    """
    return infer_modality(collect(sources, registry).items, registry)


def rejection(item: Item, modality: str, registry: Registry) -> Reason | None:
    """Why an item takes no part in a corpus of a modality; ``None`` where it does."""
    if isinstance(item.open, Refusal):
        return item.open.reason
    known = _modalities_of(item, registry)
    if modality in known:
        return None
    if known:
        return Reason("other-modality", f"{item.suffix} is {' or '.join(sorted(known))}, not {modality}")
    official = official_plugin_for(item.suffix)
    if official is not None and official.modality not in registry.modalities:
        return Reason("unsupported", f"{item.suffix} is {official.modality}; {official.install_hint}")
    what = f"files of extension {item.suffix}" if item.suffix else "files without an extension"
    return Reason("unsupported", f"no installed plugin reads {what}")


def _modalities_of(item: Item, registry: Registry) -> set[str]:
    return {name for name, modality in registry.modalities.items() if item.suffix in modality.extensions}


def _explain_several(items: Sequence[Item], registry: Registry) -> str:
    counts: Counter[str] = Counter()
    extensions: dict[str, set[str]] = {}
    for item in items:
        for name in _modalities_of(item, registry):
            counts[name] += 1
            extensions.setdefault(name, set()).add(item.suffix)
    seen = ", ".join(
        f"{_files(counts[name])} of {name} ({', '.join(sorted(extensions[name]))})" for name in sorted(counts)
    )
    first = sorted(counts)[0]
    return f"the sources hold several modalities: {seen}; choose one, for example with --modality {first}"


def _explain_none(items: Sequence[Item], registry: Registry) -> str:
    counts = Counter(item.suffix or "(none)" for item in items)
    seen = ", ".join(f"{extension}: {count}" for extension, count in sorted(counts.items()))
    for item in items:
        official = official_plugin_for(item.suffix)
        if official is not None:
            same = sum(each.suffix in official.extensions for each in items)
            why = _why_missing(official.modality, registry)
            return f"the sources hold {_files(same)} of {official.modality}, but {why}"
    installed = ", ".join(registry.modalities) or "none"
    return f"no installed plugin reads these files (extensions: {seen}; modalities installed: {installed})"


def _why_missing(modality: str, registry: Registry) -> str:
    """What the registry says of a modality that it lacks: not installed, switched off, in quarantine."""
    try:
        registry.modality(modality)
    except PluginError as error:
        return str(error)
    return f"the installed plugin for {modality} does not read these extensions"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
