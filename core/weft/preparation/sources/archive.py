"""An archive that is named: a folder in one file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from weft.errors import SourceError, UnreadableError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.archives import is_archive, members
from weft.preparation.sources.assemble import assemble
from weft.preparation.sources.entries import Entry, without_auxiliary
from weft.preparation.sources.local import local_entry


class ArchiveReader(SourceReader):
    """A ``.zip`` file, or a ``.tar`` file, compressed or not, which may be a WebDataset shard."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return isinstance(location, str | Path) and is_archive(str(location)) and os.path.isfile(location)  # noqa: PTH113

    def offer(self) -> Offer:
        path = Path(self.location)
        return archive_offer(local_entry(path, path.name, str(path)), self)


def archive_offer(archive: Entry, reader: SourceReader) -> Offer:
    """What an archive offers that is a source by itself.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        inside = members(archive, reader.limits)
    except UnreadableError as error:
        raise SourceError(f"the source {archive.source} is of no use: {error}") from error
    entries, auxiliary = without_auxiliary([replace(member, archive=archive.name) for member in inside])
    return assemble(entries, archive.name, reader.limits, auxiliary=auxiliary)
