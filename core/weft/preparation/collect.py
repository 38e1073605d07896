"""Sources to items: what a user names, as a list of items in a fixed order with what tables say of them."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.errors import SourceError
from weft.interfaces.samples import Item
from weft.interfaces.source import Offer, Source, SourceLimits, SourceReader, TableCounts
from weft.plugins.registry import Registry
from weft.preparation.sources.entries import Names, printable_name
from weft.preparation.sources.files import FilesReader, NamedFiles
from weft.preparation.sources.locations import describe_locations
from weft.preparation.sources.readers import reader_class

__all__ = ["Collection", "SourceFacts", "collect", "printable_name"]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a corpus keeps of one source.

    Attributes:
        location: As the user named it, without passwords; the class and length of a data set in memory. No two
            sources have one location, and each item has that of its source as ``source``.
        weight: Relative to the other sources.
        license: Of what has none of its own.
        origin: Where it was got from.
        items: How many it offers.
    """

    location: str
    weight: float
    license: str | None
    origin: str | None
    items: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What sources offer.

    Attributes:
        items: In the order of their names.
        tables: What the tables beside them said.
        auxiliary: How many files and folders were left out as hidden, as README or LICENSE, or as the system's.
        auxiliary_names: Which.
        sources: What is known of each source, in the order in which they were given.
        source_of: For each item, the place of its source among ``sources``.
        warnings: What the user should know, a sentence each.
    """

    items: Sequence[Item]
    tables: TableCounts
    auxiliary: int
    auxiliary_names: Sequence[str] = ()
    sources: Sequence[SourceFacts] = ()
    source_of: Sequence[int] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read together: one source, or the files of one folder that were named.

    Attributes:
        reader: Reads it.
        places: Of its sources among all.
    """

    reader: SourceReader
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An item, and the place of its source among all."""

    item: Item
    place: int


def collect(
    sources: Sequence[Source | str | Path | Any],
    registry: Registry | None = None,
    limits: SourceLimits | None = None,
) -> Collection:
    """All items of some sources.

    Folders are taken with everything below them in the order of names. Hidden files and folders,
    what systems leave behind, files that are called README or LICENSE (alone or with .md, .txt, .rst or .html), and
    tables that name files beside them are not items. Links are followed; a folder that is reached twice is read once.

    Files that are named one by one, as a shell pattern does, keep their own names. Those of one folder are read
    together: tables among them describe the others, and README and LICENSE are left out. A file that is named without
    any such company is always an item, whatever it is called.

    An item whose source cannot tell when its content changes, as a data set in memory, gets a stamp that is new in each
    call: what was made of it before may be out of date.

    Args:
        sources: Sources, or only where they are.
        registry: Knows the readers of plugins; only core's are used without it.
        limits: What archives may cost.

    Raises:
        SourceError: A source is missing, cannot be read, or is given twice, or there is nothing in them.
    """
    if not sources:
        raise SourceError("no source was given; name a file or a folder")
    given = [source if isinstance(source, Source) else Source(source) for source in sources]
    locations = describe_locations([source.location for source in given])
    parts = _parts(given, locations, registry, limits or SourceLimits())
    offers = [part.reader.offer() for part in parts]
    labels = _labels(offers) if _clash(offers) else [""] * len(offers)
    unknown = secrets.token_hex()
    placed = [
        each
        for part, offer, label in zip(parts, offers, labels, strict=True)
        for each in _placed(part, offer, label, given, locations, unknown)
    ]
    if not placed:
        names = ", ".join(locations)
        raise SourceError(
            f"there are no files to read in {names}: hidden files, README, LICENSE and tables do not count"
        )
    ordered = sorted(_unique(placed), key=lambda each: each.item.name)
    counts = Counter(each.place for each in ordered)
    auxiliary = [name for offer in offers for name in offer.auxiliary]
    return Collection(
        items=[each.item for each in ordered],
        tables=sum((offer.tables for offer in offers), TableCounts()),
        auxiliary=len(auxiliary),
        auxiliary_names=auxiliary,
        sources=[
            SourceFacts(location, source.weight, source.license, source.origin, counts[place])
            for place, (source, location) in enumerate(zip(given, locations, strict=True))
        ],
        source_of=[each.place for each in ordered],
        warnings=[warning for offer in offers for warning in offer.warnings],
    )


def _parts(
    given: Sequence[Source], locations: Sequence[str], registry: Registry | None, limits: SourceLimits
) -> list[_Part]:
    """A part for each source, and one for the files of each folder, in the order of the sources."""
    groups: dict[object, list[int]] = {}
    readers: dict[int, type[SourceReader]] = {}
    for place, source in enumerate(given):
        readers[place] = reader_class(source.location, registry)
        key: object = place
        if readers[place] is FilesReader:
            key = os.path.realpath(Path(source.location).parent)
        groups.setdefault(key, []).append(place)
    parts = []
    for places in groups.values():
        reader = readers[places[0]]
        location = given[places[0]].location
        if reader is FilesReader:
            location = NamedFiles({locations[place]: Path(given[place].location) for place in places})
        parts.append(_Part(reader(location, limits), places))
    return parts


def _placed(
    part: _Part, offer: Offer, label: str, given: Sequence[Source], locations: Sequence[str], unknown: str
) -> Iterator[_Placed]:
    """The items of an offer, with what their source says of them."""
    # Only files that are read together are several sources, and NamedFiles has given each its location.
    places = {locations[place]: place for place in part.places}
    for item in offer.items:
        place = part.places[0] if len(part.places) == 1 else places[item.source]
        known = dataclasses.replace(
            item,
            name=_prefixed(item.name, label),
            source=locations[place],
            license=item.license or given[place].license,
            stamp=item.stamp or unknown,
        )
        yield _Placed(known, place)


def _clash(offers: Sequence[Offer]) -> bool:
    counts = Counter(item.name for offer in offers for item in offer.items)
    return any(count > 1 for count in counts.values())


def _labels(offers: Sequence[Offer]) -> list[str]:
    """A short name for each offer, no two alike."""
    labels = Names(lambda label, number: f"{label}-{number}")
    return [labels.unique(offer.label or "source") for offer in offers]


def _prefixed(name: str, label: str) -> str:
    # A folder's name becomes a caption, and a source's own name is none: only files in folders get it as a folder.
    separator = "/" if "/" in name else ":"
    return f"{label}{separator}{name}" if label else name


def _unique(placed: Sequence[_Placed]) -> list[_Placed]:
    """Items with names that no two share; equal ones, which only undecodable names can still be, get a number."""
    names = Names()
    renamed = []
    for each in placed:
        name = names.unique(each.item.name)
        item = each.item if name == each.item.name else dataclasses.replace(each.item, name=name)
        renamed.append(_Placed(item, each.place))
    return renamed
