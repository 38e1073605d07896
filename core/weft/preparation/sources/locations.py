"""What a source is called where people read it."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence, Sized
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from weft.errors import SourceError
from weft.preparation.sources.entries import Names, printable_name

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[^:]+)?://")


def is_url(location: Any) -> bool:
    """Whether a location is a URL; a drive letter is no scheme."""
    return isinstance(location, str) and _URL.match(location) is not None


def describe_location(location: Any) -> str:
    """A location as text that may be kept and shown: a path loses what says nothing (``./a/`` is ``a``); a URL its
    password and its query, which may be a signature; a data set in memory is its class and its length."""
    if is_url(location):
        return without_secrets(location)
    if isinstance(location, str | Path):
        return printable_name(str(Path(location)))
    size = f" of {len(location)}" if isinstance(location, Sized) else ""
    return f"{type(location).__module__}.{type(location).__qualname__}{size}"


def describe_locations(locations: Sequence[Any]) -> list[str]:
    """Each of several locations as :func:`describe_location` has it, no two alike: data sets of one class and length,
    and URLs that differ in their query, get a number.

    Raises:
        SourceError: A location is given twice, in whatever spelling.
    """
    seen: set[Hashable] = set()
    for location in locations:
        identity = _identity(location)
        if identity in seen:
            raise SourceError(
                f"the source {describe_location(location)} is given twice; name it once, for its items can have one "
                f"weight and one license only"
            )
        seen.add(identity)
    names = Names(lambda name, number: f"{name} ({number})")
    return [names.unique(describe_location(location)) for location in locations]


def _identity(location: Any) -> Hashable:
    """What two spellings of one location have in common. A link is another location than what it leads to."""
    if is_url(location):
        return str(location)
    if isinstance(location, str | Path):
        path = Path(location)
        return os.path.abspath(os.path.join(os.path.realpath(path.parent), path.name))  # noqa: PTH100, PTH118
    return id(location)


def without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) or url
