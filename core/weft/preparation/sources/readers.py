"""Which reader is for which location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.errors import SourceError
from weft.preparation.sources.archive import ArchiveReader
from weft.preparation.sources.files import FilesReader
from weft.preparation.sources.folder import FolderReader
from weft.preparation.sources.hugging_face import HuggingFaceReader
from weft.preparation.sources.locations import describe_location
from weft.preparation.sources.map_style import MapStyleReader
from weft.preparation.sources.pattern import PatternReader
from weft.preparation.sources.saved import SavedDatasetReader
from weft.preparation.sources.url import UrlReader

if TYPE_CHECKING:
    from weft.interfaces.source import SourceReader
    from weft.plugins.registry import Registry

CORE_READERS: tuple[type[SourceReader], ...] = (
    UrlReader,
    SavedDatasetReader,
    FolderReader,
    ArchiveReader,
    PatternReader,
    FilesReader,
    HuggingFaceReader,
    MapStyleReader,
)
"""In the order in which they are asked; those of plugins are asked before."""


def reader_class(location: Any, registry: Registry | None) -> type[SourceReader]:
    """The first reader that accepts a location.

    Raises:
        SourceError: None does.
        PluginError: A plugin's reader cannot be imported.
    """
    further = registry.source_readers() if registry is not None else ()
    for reader in (*further, *CORE_READERS):
        if reader.accepts(location):
            return reader
    raise SourceError(
        f"nothing can be read from a source of type {describe_location(location)}; name a file, a folder, a pattern or "
        f"a URL, or give a data set that has a length and can be indexed"
    )
