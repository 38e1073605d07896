"""Which texts are kept."""

from __future__ import annotations

from typing import Literal

import weft


class Binary(weft.Filter[str]):
    """Rejects what has NUL characters: UTF-8 takes them, but no text has them."""

    name = "binary"
    on: Literal["raw", "clean"] = "raw"

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        count = sample.payload.count("\0") + (sample.prompt or "").count("\0")
        if not count:
            return None
        if 3 * count >= len(sample.payload):
            return weft.Reason("binary", f"{count} NUL characters: binary, or UTF-16 without its byte-order mark")
        return weft.Reason("binary", f"NUL characters ({count}) are in it, so it is not plain text")


class Empty(weft.Filter[str]):
    """Rejects what has nothing but white space."""

    name = "empty"

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        if sample.payload.strip():
            return None
        return weft.Reason("empty", "there is nothing but white space in it" if sample.payload else "there is no text")


class Length(weft.Filter[str]):
    """Rejects what is too short or too long, in characters, white space at the ends not counted.

    Args:
        least: Fewest characters.
        most: Most characters; ``None`` sets no limit.
    """

    name = "length"

    def __init__(self, least: int, most: int | None) -> None:
        self._least = least
        self._most = most

    def check(self, sample: weft.Sample[str]) -> weft.Reason | None:
        count = len(sample.payload.strip())
        if count < self._least:
            return weft.Reason("too-short", f"{count} characters, fewer than text.min_chars = {self._least}")
        if self._most is not None and count > self._most:
            return weft.Reason("too-long", f"{count} characters, more than text.max_chars = {self._most}")
        return None
