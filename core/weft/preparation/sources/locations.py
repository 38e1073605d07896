"""What a source is called where people read it."""

from __future__ import annotations

import re
from collections.abc import Sized
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from weft.preparation.sources.entries import printable_name

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[^:]+)?://")


def is_url(location: Any) -> bool:
    """Whether a location is a URL; a drive letter is no scheme."""
    return isinstance(location, str) and _URL.match(location) is not None


def describe_location(location: Any) -> str:
    """A location as text that may be kept and shown: a URL loses its password and its query, which may be a
    signature; a data set in memory is its class and its length."""
    if is_url(location):
        return without_secrets(location)
    if isinstance(location, str | Path):
        return printable_name(str(location))
    size = f" of {len(location)}" if isinstance(location, Sized) else ""
    return f"{type(location).__module__}.{type(location).__qualname__}{size}"


def without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) or url
