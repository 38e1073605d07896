"""A folder, with everything below it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.assemble import assemble
from weft.preparation.sources.local import walk


class FolderReader(SourceReader):
    """A folder of this machine: what lies in it, in archives and in tables in it, and the ``imagefolder`` and
    ``audiofolder`` layouts of Hugging Face ``datasets``."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return isinstance(location, str | Path) and os.path.isdir(location)  # noqa: PTH112 - false for any string

    def offer(self) -> Offer:
        root = Path(self.location)
        entries, auxiliary = walk(root)
        return assemble(entries, Path(os.path.realpath(root)).name, self.limits, auxiliary=auxiliary)
