"""The filters that judged a corpus: their order, and where their rules are from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.filters import TextScreen
from weft.interfaces.preparer import Filter
from weft.plugins.loading import FOREIGN_ERRORS
from weft.plugins.options import resolve_options
from weft.plugins.registry import Registry
from weft.storage.corpus import CorpusFolder


def filters_of(corpus: CorpusFolder, registry: Registry) -> Sequence[Filter[Any]]:
    """Made as preparation made them; none where that is no longer possible (another version of a plugin, say), since
    the page can do without."""
    modality = corpus.modality
    try:
        options = resolve_options(registry, modality, corpus.manifest["options"])
        screened = corpus.manifest.get("screened") or {}
        screens = [TextScreen(words=bool(screened.get("harm")))] if any(screened.values()) else []
        return [*screens, *registry.preparer_class(modality)(options).filters(), *registry.filters(modality)]
    except FOREIGN_ERRORS:
        return ()
