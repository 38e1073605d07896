"""The run's single id space: an explicit table from special names and blocks to ids."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from weft.errors import FolderError, GenerationError

END = "<|end|>"


def marker(modality: str) -> str:
    """Name of the special that begins a segment of a modality."""
    return f"<|{modality}|>"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids never move; growth appends.

    Attributes:
        specials: Special name to id.
        blocks: Modality to ``(offset, size)`` of its codec's ids.
    """

    specials: Mapping[str, int]
    blocks: Mapping[str, tuple[int, int]]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        spans = sorted([(i, i + 1) for i in self.specials.values()] + [(o, o + s) for o, s in self.blocks.values()])
        if any(left[1] > right[0] for left, right in itertools.pairwise(spans)):
            raise FolderError("the vocabulary is corrupt: two of its blocks overlap")
        object.__setattr__(self, "size", spans[-1][1] if spans else 0)

    @classmethod
    def build(cls, sizes: Mapping[str, int]) -> Self:
        """A fresh table for codecs of the given vocabulary sizes, in the order given."""
        return cls({}, {}).grown(sizes)

    def grown(self, sizes: Mapping[str, int]) -> Self:
        """The same table with the modalities that it lacks appended."""
        specials, blocks = dict(self.specials), dict(self.blocks)
        position = self.size
        for name in [END, *map(marker, sizes)]:
            if name not in specials:
                specials[name] = position
                position += 1
        for modality, size in sizes.items():
            if modality not in blocks:
                blocks[modality] = (position, size)
                position += size
        return type(self)(specials, blocks)

    def block(self, modality: str) -> tuple[int, int]:
        """``(offset, size)`` of a modality's ids."""
        try:
            return self.blocks[modality]
        except KeyError:
            known = ", ".join(sorted(self.blocks))
            raise GenerationError(f"this run knows no {modality}; it was trained on {known}") from None

    def marker_id(self, modality: str) -> int:
        self.block(modality)
        return self.specials[marker(modality)]

    @property
    def end_id(self) -> int:
        return self.specials[END]

    def to_json(self) -> dict[str, Any]:
        return {"specials": dict(self.specials), "blocks": {name: list(span) for name, span in self.blocks.items()}}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            FolderError: Ids are negative or have several meanings, or a block lacks its marker.
        """
        try:
            blocks = {str(name): (int(o), int(s)) for name, (o, s) in table["blocks"].items()}
            specials = {str(k): int(v) for k, v in table["specials"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FolderError(f"the vocabulary table is corrupt: {error}") from error
        missing = sorted({END, *map(marker, blocks)} - specials.keys())
        if missing:
            raise FolderError(f"the vocabulary is corrupt: it lacks {', '.join(missing)}")
        if any(offset < 0 or size < 1 for offset, size in [*blocks.values(), *((i, 1) for i in specials.values())]):
            raise FolderError("the vocabulary is corrupt: an id is negative, or a block is empty")
        return cls(specials, blocks)
