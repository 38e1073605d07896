"""Where items come from: what a user names, and the readers that turn it into items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weft.errors import OptionError
from weft.interfaces.samples import Item

WEIGHTS = (0.01, 100.0)
"""What weights of sources may be: with others an epoch would be out of all proportion."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the sources of a corpus, with what the user knows of it.

    Attributes:
        location: A path of a file, a folder or an archive, a pattern (``photos/**/*.png``), a URL of any scheme that
            fsspec knows, or a data set in memory: a Hugging Face ``Dataset``, or anything with ``len`` and ``[index]``
            as torchvision's and torchaudio's classes are.
        weight: How often training sees a sample of this source, relative to those of the others.
        license: License of what has none of its own.
        origin: Where it was got from: a URL, a citation, a sentence.

    Raises:
        OptionError: The weight is not from 0.01 to 100.
    """

    location: Any
    weight: float = 1.0
    license: str | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        low, high = WEIGHTS
        if not low <= self.weight <= high:
            raise OptionError(f"the weight of {self.location} must be {low:g} to {high:g}, got {self.weight}")


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What archives and files that tables name may cost, so that a crafted one cannot fill memory or disk.

    Attributes:
        members: Files that one archive may hold.
        member_bytes: Bytes that one member may have, unpacked.
        ratio: How many times larger than packed a member of a zip file of more than 1 MiB may be, and a compressed tar
            file as a whole.
    """

    members: int = 1_000_000
    member_bytes: int = 4 << 30
    ratio: int = 200

    def __post_init__(self) -> None:
        for name in ("members", "member_bytes", "ratio"):
            if getattr(self, name) < 1:
                raise OptionError(f"the limit {name} of sources must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What became of the rows of tables; each row is counted once.

    Attributes:
        used: Rows that describe a file.
        unmatched: Rows that name a file that is not there.
        repeated: Rows on a file that an earlier row describes.
        broken: Rows that cannot be read.
    """

    used: int = 0
    unmatched: int = 0
    repeated: int = 0
    broken: int = 0

    def __add__(self, other: TableCounts) -> TableCounts:
        return TableCounts(
            self.used + other.used,
            self.unmatched + other.unmatched,
            self.repeated + other.repeated,
            self.broken + other.broken,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What one source offers.

    Attributes:
        items: In a fixed order. Names are unique within the offer.
        label: A short name, which tells its items from those of another source that have the same names.
        tables: What the tables beside the items said.
        auxiliary: Names of files and folders that are left out: hidden ones, README, LICENSE, the system's own.
        warnings: What the user should know, a sentence each.
    """

    items: Sequence[Item]
    label: str
    tables: TableCounts = TableCounts()
    auxiliary: Sequence[str] = ()
    warnings: Sequence[str] = ()


class SourceReader(ABC):
    """One kind of source. A plugin registers further ones with the hook ``register_sources``.

    Readers of plugins are asked first, in the order of plugins, then core's; the first that accepts a location gets it.

    Args:
        location: As the user gave it: a ``str``, a ``Path``, or an object.
        limits: What archives may cost.
    """

    def __init__(self, location: Any, limits: SourceLimits) -> None:
        self.location = location
        self.limits = limits

    @classmethod
    @abstractmethod
    def accepts(cls, location: Any) -> bool:
        """Whether this reader is for that location, by its type, prefix or suffix: cheap, and without an error for any
        object whatever."""

    @abstractmethod
    def offer(self) -> Offer:
        """List what is there, without reading it. What an item's ``open`` holds travels to worker processes.

        Raises:
            SourceError: The source is missing, cannot be reached, or is not what it seems to be.
        """
