"""What passes through preparation: raw items, the samples read from them, and why some were turned away."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO, Generic, Literal, TypeVar

P = TypeVar("P")
"""A payload: whatever one sample of a modality is in memory (``str``, ``PIL.Image.Image``, a waveform, ...)."""

CAPTION_COLUMNS = ("text", "caption", "label")


@dataclass(frozen=True, slots=True)
class Item:
    """One raw thing that a source offers: a file, an archive member, a row of a table.

    Attributes:
        name: Path inside the sources, ``/``-separated, unique within one preparation.
        open: Opens the bytes for reading; the caller closes. It travels to worker processes, so it has to be picklable:
            a function of a module, a ``functools.partial`` of one, or an object of a class with ``__call__``.
        size: Length in bytes.
        metadata: The row of the table that names this file (``metadata.csv`` and the like), empty without one.
        source: What the user named on the command line, for the manifest.
        license: License of the content where the source states one.
        stamp: Changes when the content does (the time of the last change, a checksum), where the source knows one.
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    license: str | None = None
    stamp: str = ""

    @property
    def suffix(self) -> str:
        """The file extension, in lower case, with its dot."""
        # As PurePosixPath has it, at a fifth of the cost: it is asked for many times of each of a million items.
        return "" if self.name.endswith(".") else posixpath.splitext(self.name)[1].lower()

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def caption(self, columns: Sequence[str] = CAPTION_COLUMNS) -> str | None:
        """The text that describes this item: the first filled column of its table row, else its folder's name with
        underscores as spaces, else nothing. An empty ``label`` says that the folder's name is none."""
        for column in columns:
            if text := self.metadata.get(column, "").strip():
                return text
        if self.metadata.get("label") == "":
            return None
        folder = PurePosixPath(self.name).parent.name
        return folder.replace("_", " ").strip() or None


@dataclass(frozen=True, slots=True)
class Sample(Generic[P]):
    """One thing as a person would see it.

    Attributes:
        payload: The content itself.
        prompt: The text a person would type to ask for it: the caption of an image or a clip, the prompt that a
            response answers. ``None`` makes the sample unconditional.
        figures: What was measured of it on the way, by name: by the preparer while reading and cleaning (the size of
            the original, how many addresses were masked), and by filters. They are written into the corpus.
    """

    payload: P
    prompt: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was turned away.

    Attributes:
        code: A short stable name that counts are kept by: ``unreadable``, ``blank``, ``duplicate``, ...
        detail: One sentence about this case.
        excerpt: The offending part, where it is text: a few words as they stand in the sample, which a report marks.
    """

    code: str
    detail: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Revised(Generic[P]):
    """A filter's answer where a part of a sample goes and the rest is kept.

    Attributes:
        sample: What is left.
        reason: What went, and why; written beside the sample's verdict.
    """

    sample: Sample[P]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of an item that should have been a sample but cannot be decoded (a broken line of a JSON-lines file).

    It counts as a sample, rejected as ``unreadable``.
    """

    detail: str


Split = Literal["train", "validation"]
