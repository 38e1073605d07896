"""Files of one folder that are named one by one, as a shell does for a pattern."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.assemble import assemble
from weft.preparation.sources.entries import Entry, is_auxiliary
from weft.preparation.sources.local import local_entry


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files of one folder.

    Attributes:
        paths: Location of each source, by which its items name it, to the path of its file.
    """

    paths: Mapping[str, Path]


class FilesReader(SourceReader):
    """Files, which are read together: tables among them describe the others, and README and LICENSE are left out. A
    file that is named without any such company is always an item, whatever it is called."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return isinstance(location, str | Path | NamedFiles)

    def offer(self) -> Offer:
        location = self.location
        named = location.paths if isinstance(location, NamedFiles) else {str(Path(location)): Path(location)}
        paths = list(named.values())
        for path in paths:
            if not os.path.exists(path):  # noqa: PTH110 - false for any string
                raise SourceError(f"the source {path} does not exist; check the path")
        # Of those that are auxiliary a pattern leaves out the hidden ones alone, so a hidden file is meant, and the
        # others are where nothing else is.
        left_out = [path for path in paths if is_auxiliary(path.name, folder=False)]
        meant = len(left_out) == len(paths)
        left_out = [] if meant else [path for path in left_out if not path.name.startswith(".")]
        skipped = set(left_out)
        entries = [local_entry(path, path.name, source) for source, path in named.items() if path not in skipped]
        folder = paths[0].parent
        return assemble(
            entries,
            Path(os.path.realpath(folder)).name,
            self.limits,
            auxiliary=[path.name for path in left_out],
            beside=lambda name: _beside(folder, name, entries[0].source),
        )


def _beside(folder: Path, name: str, source: str) -> Entry | None:
    """A file below the folder of a table; what a table names elsewhere is none of it."""
    path = folder / name
    if name.startswith(("/", "..")) or not path.is_file():
        return None
    return local_entry(path, name, source)
