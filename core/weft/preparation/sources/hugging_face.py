"""A Hugging Face ``datasets.Dataset`` or ``DatasetDict`` that is in memory."""

from __future__ import annotations

from typing import Any

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.arrow import HuggingFaceView, table_entries
from weft.preparation.sources.entries import Entry
from weft.preparation.sources.locations import describe_location
from weft.preparation.sources.splits import blank_captions


class HuggingFaceReader(SourceReader):
    """Recognized by its class, without importing ``datasets``: whoever has such an object has that library."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return any(base.__module__.partition(".")[0] == "datasets" for base in type(location).__mro__)

    def offer(self) -> Offer:
        name = describe_location(self.location)
        tables = self.location if isinstance(self.location, dict) else {"": self.location}
        entries: list[Entry] = []
        for split, dataset in tables.items():
            if not hasattr(dataset, "with_format") or not hasattr(dataset, "__len__"):
                raise SourceError(
                    f"a {type(dataset).__qualname__} cannot be read from any row; make a Dataset of it, for example "
                    f"with Dataset.from_generator"
                )
            view = HuggingFaceView(dataset.with_format(None))
            entries += table_entries(view, f"{split}/" if split else "", name)
        items = [entry.item() for entry in blank_captions(entries)]
        return Offer(items, type(self.location).__name__)
