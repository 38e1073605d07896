"""Data sets that have a length and can be indexed, as the classes of torchvision and torchaudio."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.elements import EXTENSIONS, describe, encode, take_apart
from weft.preparation.sources.entries import Entry
from weft.preparation.sources.locations import describe_location


class MapStyleReader(SourceReader):
    """Elements are a picture (of Pillow, or an array of channels, height and width), a waveform followed by its rate,
    or a text, alone or in a tuple with a class or a description, or in a dictionary.

    Descriptions are taken from ``targets`` (torchvision) or ``get_metadata`` (torchaudio) where the data set has them,
    so that nothing is decoded before it is read; from each element otherwise.
    """

    @classmethod
    def accepts(cls, location: Any) -> bool:
        if isinstance(location, str | bytes | Path | Mapping | type):
            return False
        return hasattr(location, "__len__") and hasattr(location, "__getitem__")

    def offer(self) -> Offer:
        source = describe_location(self.location)
        entries: list[Entry] = []
        try:
            for place, (extension, row) in enumerate(_descriptions(self.location)):
                entries.append(Entry(f"{place:06d}{extension}", ElementFile(self.location, place), 0, source, row=row))
        # It is code of somebody else that reads the elements.
        except Exception as error:
            raise SourceError(
                f"element {len(entries)} of {source} cannot be read ({error}); mend the data set"
            ) from error
        return Offer([entry.item() for entry in entries], type(self.location).__name__)


@dataclass(frozen=True, slots=True)
class ElementFile:
    """Opens one element, in a format without loss."""

    dataset: Any
    place: int

    def __call__(self) -> BinaryIO:
        return io.BytesIO(encode(take_apart(self.dataset[self.place])))


def _descriptions(dataset: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Extension and row of each element, in order."""
    count = len(dataset)
    if count == 0:
        return
    classes = [str(name) for name in getattr(dataset, "classes", None) or ()]
    extension = EXTENSIONS[take_apart(dataset[0]).kind]
    targets = _targets(dataset, count)
    for place in range(count):
        if targets is not None:
            yield extension, describe([targets[place]], classes)
        elif hasattr(dataset, "get_metadata"):
            # A path and a rate come first.
            yield extension, describe(list(dataset.get_metadata(place))[2:], classes)
        else:
            element = take_apart(dataset[place])
            yield EXTENSIONS[element.kind], describe(element.rest, classes)


def _targets(dataset: Any, count: int) -> Sequence[Any] | None:
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        return None
    values: Sequence[Any] = targets.tolist() if hasattr(targets, "tolist") else targets
    return values if isinstance(values, Sequence) and len(values) == count else None
