"""Payloads on a page: the fragment of HTML that their plugin makes, and the files that it refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from weft.interfaces.payload import PayloadFormat

EXCERPT = 420
"""Characters of a text that are shown."""


class Gallery:
    """Gives names to files beside a page, and stops where there are enough of them.

    Args:
        folder: Where the files go, beside the page; made with the first of them.
        prefix: How their names begin.
        most_bytes: Once the files hold so many bytes nothing more is shown; ``None`` for no limit.
    """

    def __init__(self, folder: Path, prefix: str, most_bytes: int | None = None) -> None:
        self._folder = folder
        self._prefix = prefix
        self._most_bytes = most_bytes
        self._number = 0

    @property
    def full(self) -> bool:
        """Whether there are files enough."""
        return self._most_bytes is not None and self._written() >= self._most_bytes

    def show(self, payload: Any, payload_format: PayloadFormat[Any], title: str) -> Markup:
        """The fragment of a payload."""
        self._folder.mkdir(exist_ok=True)
        self._number += 1
        path = self._folder / f"{self._prefix}-{self._number:03d}"
        # The plugin's fragment is HTML already, and it alone can escape what is in the payload.
        return Markup(payload_format.html(payload, path, title=title))

    def _written(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob(f"{self._prefix}-*"))


def excerpt(payload: Any) -> Any:
    """The beginning of a long text; anything else as it is."""
    if not isinstance(payload, str) or len(payload) <= EXCERPT:
        return payload
    return payload[:EXCERPT].rsplit(maxsplit=1)[0] + " …"


def captioned(what: str, prompt: str | None) -> str:
    """The text alternative of a payload."""
    return f"{what}: {prompt}" if prompt else what
