"""Archives of any kind: which files are some, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from weft.errors import UnreadableError
from weft.interfaces.source import SourceLimits
from weft.preparation.sources.entries import Entry, refused, unique
from weft.preparation.sources.tarred import list_tar
from weft.preparation.sources.zipped import list_zip

_ZIP = re.compile(r"(?i)\.zip$")
_TAR = re.compile(r"(?i)\.(tar(\.(gz|xz|bz2))?|tgz|txz|tbz2?)$")


def is_archive(name: str) -> bool:
    """Whether a file is one, by its name."""
    return bool(_ZIP.search(name) or _TAR.search(name))


def is_tar(name: str) -> bool:
    return bool(_TAR.search(name))


def members(archive: Entry, limits: SourceLimits) -> list[Entry]:
    """What is in an archive, by the names inside it.

    Raises:
        UnreadableError: It is damaged, or beyond the limits.
    """
    lister = list_zip if _ZIP.search(archive.name) else list_tar
    try:
        return list(unique(list(lister(archive, limits))))
    # The decoders of archives have no exception in common: a crafted file raises whatever it hits first.
    except Exception as error:
        kind = "zip" if lister is list_zip else "tar"
        detail = str(error) or type(error).__name__
        raise UnreadableError(f"it cannot be read as a {kind} archive: {detail}") from error


def expanded(entries: Sequence[Entry], limits: SourceLimits) -> list[Entry]:
    """A listing with every archive in it as a folder of that name; one that cannot be read is an item that fails."""
    found: list[Entry] = []
    for entry in entries:
        if not is_archive(entry.name):
            found.append(entry)
            continue
        try:
            inside = members(entry, limits)
        except UnreadableError as error:
            found.append(refused(entry, "unreadable", str(error)))
        else:
            found += [replace(member, name=f"{entry.name}/{member.name}", archive=entry.name) for member in inside]
    return found
