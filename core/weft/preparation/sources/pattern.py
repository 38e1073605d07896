"""A pattern that reaches Weft as it was written: ``photos/**/*.png`` in quotes, or in Python."""

from __future__ import annotations

import glob
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.assemble import assemble
from weft.preparation.sources.entries import Entry
from weft.preparation.sources.local import local_entry, walk


class PatternReader(SourceReader):
    """Files and folders that match, with ``*``, ``?``, ``[...]`` and ``**`` for any folders. Names are those below the
    last folder before the first such sign, so that folders are captions as they are without a pattern."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return isinstance(location, str | Path) and glob.has_magic(str(location)) and not os.path.exists(location)  # noqa: PTH110

    def offer(self) -> Offer:
        pattern = str(self.location)
        root = _root(pattern)
        entries: dict[str, Entry] = {}
        auxiliary: dict[str, None] = {}
        for found in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            name = os.path.relpath(found, root or ".").replace(os.sep, "/")
            if os.path.isdir(found):  # noqa: PTH112
                # `**` matches folders as well as what is in them.
                if not pattern.endswith("**"):
                    inside, hidden = walk(Path(found))
                    prefix = f"{name}/"
                    entries.update({prefix + each.name: replace(each, name=prefix + each.name) for each in inside})
                    auxiliary.update(dict.fromkeys(prefix + each for each in hidden))
            else:
                entries[name] = local_entry(Path(found), name, pattern)
        if not entries:
            raise SourceError(f"nothing matches the pattern {pattern}; check it, and the folder that it begins in")
        listed = [replace(entry, source=pattern) for _, entry in sorted(entries.items())]
        return assemble(listed, Path(os.path.realpath(root or ".")).name, self.limits, auxiliary=list(auxiliary))


def _root(pattern: str) -> str:
    """The folder before the first part with a sign in it."""
    parts = pattern.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else "")
