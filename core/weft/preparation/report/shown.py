"""Payloads as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from markupsafe import Markup

from weft.interfaces.payload import PayloadFormat
from weft.pages.gallery import EXCERPT, Gallery, captioned, excerpt
from weft.storage.corpus import SAMPLES, CorpusFolder
from weft.storage.payloads import PayloadStore
from weft.storage.tables import PARTS, read_table

MOST_BYTES = 1 << 20
"""A payload whose stored form is longer is not shown."""

Key = tuple[str, int]
"""An item, and the index of a sample in it."""


@dataclass(frozen=True, slots=True)
class Card:
    """One payload, or in its place a word on why it is not there.

    Attributes:
        name: Of the sample.
        fragment: HTML of the payload, made by its plugin; ``None`` where there is none, or a part is to be marked.
        before: Of a text with a marked part, what stands before it.
        marked: That part; where there is no text around it, it is of what is not shown (a caption, say).
        after: What stands behind it.
        caption: Of the sample.
        note: A sentence about it.
        role: What it is to those beside it (``kept``, ``rejected``, ``original``, ...).
    """

    name: str
    fragment: Markup | None = None
    before: str = ""
    marked: str = ""
    after: str = ""
    caption: str | None = None
    note: str = ""
    role: str = ""


class Payloads:
    """Finds payloads of one corpus, and makes cards of them.

    Args:
        corpus: The corpus.
        payload_format: Of its payloads.
        gallery: Where their files go.
    """

    def __init__(self, corpus: CorpusFolder, payload_format: PayloadFormat[Any], gallery: Gallery) -> None:
        self._corpus = corpus
        self._format = payload_format
        self._gallery = gallery

    @cached_property
    def parts(self) -> Any:
        """The table of parts, in Arrow columns."""
        return read_table(self._corpus.path / SAMPLES, PARTS)

    @cached_property
    def _store(self) -> PayloadStore:
        return PayloadStore(self._corpus.payload_paths)

    @cached_property
    def _examples(self) -> dict[Key, bytes]:
        return {(row["item"], row["sample"]): row["payload"] for row in self._corpus.examples()}

    def rejected(self, key: Key) -> bytes | None:
        """The payload of a rejected sample, in stored form, where it was put aside as an example."""
        return self._examples.get(key)

    def rows_of(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Rows of the first parts of some kept samples; those that are not in the corpus are left out."""
        names = pc.is_in(self.parts.column("item"), value_set=pa.array(sorted({item for item, _ in keys}), pa.string()))
        rows = pc.indices_nonzero(names)
        found: dict[Key, int] = {}
        wanted = set(keys)
        few = self.parts.select(["item", "sample"]).take(rows)
        for row, item, sample in zip(
            rows.to_pylist(), few.column("item").to_pylist(), few.column("sample").to_pylist(), strict=True
        ):
            if (item, sample) in wanted:
                found.setdefault((item, sample), row)
        return found

    def kept(self, row: int) -> tuple[Key, bytes, str | None]:
        """Name, stored form and caption of a part, by its row."""
        part = self.parts.slice(row, 1).to_pylist()[0]
        return (part["item"], part["sample"]), self._store[row], part["prompt"]

    def decode(self, data: bytes) -> Any:
        """A payload from its stored form."""
        return self._format.from_bytes(data)

    def card(
        self,
        key: Key,
        data: bytes | None,
        *,
        what: str,
        marked: str = "",
        caption: str | None = None,
        note: str = "",
        role: str = "",
    ) -> Card:
        """A sample, with a part of its text marked.

        Args:
            key: Of the sample.
            data: Its payload in stored form; ``None`` where it is not there.
            what: Begins the text alternative.
            marked: The part to be marked.
            caption: Of the sample.
            note: Of the card.
            role: Of the card.
        """
        if data is None:
            return Card(sample_name(key), marked=marked, caption=caption, note=note, role=role)
        if len(data) > MOST_BYTES or self._gallery.full:
            note = note or "It is not shown: what the page shows is large already."
            return Card(sample_name(key), marked=marked, caption=caption, note=note, role=role)
        card = self.card_of(key, self.decode(data), what=what, marked=marked, caption=caption)
        return replace(card, note=note or card.note, role=role)

    def card_of(
        self, key: Key, payload: Any, *, what: str, marked: str = "", caption: str | None = None, role: str = ""
    ) -> Card:
        """As :meth:`card`, of a payload in memory."""
        around = surroundings(payload, marked) if marked and isinstance(payload, str) else None
        if around is not None:
            before, part, after = around
            return Card(sample_name(key), None, before, part, after, caption, role=role)
        title = captioned(what, caption or sample_name(key))
        try:
            fragment = self._gallery.show(excerpt(payload), self._format, title)
        except Exception as error:  # A corpus is whole without a picture of one of its samples.
            note = f"It cannot be shown ({type(error).__name__})."
            return Card(sample_name(key), marked=marked, caption=caption, note=note, role=role)
        return Card(sample_name(key), fragment, marked=marked, caption=caption, role=role)


def sample_name(key: Key) -> str:
    """A sample as verdicts name it; the only one of an item, which most are, by the item's name alone."""
    item, index = key
    return f"{item}#{index}" if index else item


def parse_name(name: str) -> Key | None:
    """The sample that ``item#index`` names; ``None`` where it is not such a name."""
    item, mark, index = name.rpartition("#")
    return (item, int(index)) if mark and index.isdecimal() else None


def surroundings(text: str, part: str) -> tuple[str, str, str] | None:
    """What stands before a part of a text, the part as it stands there, and what follows; ``None`` where the text does
    not have it. White space may differ, since excerpts are written on one line."""
    pattern = r"\s+".join(map(re.escape, part.split()))
    found = re.search(pattern, text, re.IGNORECASE) if pattern else None
    if found is None:
        return None
    room = max(0, EXCERPT - len(found.group())) // 2
    start, end = max(0, found.start() - room), min(len(text), found.end() + room)
    before = ("… " if start else "") + text[start : found.start()].lstrip()
    after = text[found.end() : end].rstrip() + (" …" if end < len(text) else "")
    return before, found.group(), after
