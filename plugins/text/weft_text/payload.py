"""How texts are stored and shown: UTF-8."""

from __future__ import annotations

import html
from pathlib import Path

import weft


class TextFormat(weft.PayloadFormat[str]):
    """Text as UTF-8 without a byte-order mark, line breaks as they are."""

    extension = ".txt"

    def to_bytes(self, payload: str) -> bytes:
        return payload.encode("utf-8")

    def from_bytes(self, data: bytes) -> str:
        return data.decode("utf-8")

    def media(self, payload: str) -> tuple[str, bytes]:
        return "text/plain", self.to_bytes(payload)

    def html(self, payload: str, path: Path, *, title: str) -> str:
        # A parser drops a line break right after <pre>, and takes carriage returns for line breaks.
        shown = html.escape(payload).replace("\r", "&#13;")
        label = html.escape(title)
        return f'<pre class="text" style="white-space: pre-wrap" aria-label="{label}">\n{shown}</pre>'
