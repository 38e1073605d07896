"""Stage 1, the part that differs between modalities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from weft.interfaces.codec import Codec
from weft.interfaces.near import Boilerplate, NearDuplicates
from weft.interfaces.samples import Item, P, Reason, Revised, Sample, Unreadable
from weft.interfaces.trainer import Fit

OptionsT = TypeVar("OptionsT")
"""The dataclass that a modality registers as ``Modality.options``."""


class Filter(ABC, Generic[P]):
    """Keeps a sample or says why not.

    Core calls :meth:`measure`, adds the result to ``sample.figures``, and then calls :meth:`check`. Filters are made
    and used in worker processes, one set in each.

    Attributes:
        name: Shown in the report.
        on: ``raw`` runs before cleaning (the size of the original picture), ``clean`` after it.
        source: The paper or project that the rule is from, shown in the report; empty for a rule of one's own.
    """

    name: str
    on: Literal["raw", "clean"] = "clean"
    source: str = ""

    def measure(self, sample: Sample[P]) -> Mapping[str, float]:
        """The numbers that :meth:`check` decides by, by names that no other filter of the modality uses."""
        return {}

    @abstractmethod
    def check(self, sample: Sample[P]) -> Reason | Revised[P] | None:
        """``None`` to keep the sample, a :class:`weft.Reason` to reject it, or what is left of it."""


@dataclass(frozen=True, slots=True)
class FittedCodec(Generic[P]):
    """A codec, and figures about how well it learned (``psnr_db``, ...), written into the manifest."""

    codec: Codec[P]
    quality: dict[str, float] = field(default_factory=dict)


class Preparer(ABC, Generic[P, OptionsT]):
    """Reads, cleans and judges the samples of one modality, and learns its codec.

    Core runs the pipeline: collect, read, raw filters, clean, clean filters, deduplicate, split, encode. It constructs
    a preparer with *resolved* options (see :meth:`resolve`) and keeps no other state in it.
    """

    changes: ClassVar[Mapping[str, str]] = {}
    """Figures of cleaning that count what was changed in a sample, with what was done in words (``{"masked_emails":
    "e-mail addresses masked"}``); where one is above 0 it is written beside the verdict as a change."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @classmethod
    def resolve(cls, options: OptionsT, items: Sequence[Item]) -> OptionsT:
        """Fill in options left at ``None`` from the data; must be deterministic and cheap (headers, not contents).

        Args:
            options: What the user set; ``None`` where nothing was.
            items: All items that belong to the modality, or an evenly spaced part of them.
        """
        return options

    @abstractmethod
    def read(self, item: Item) -> Iterator[Sample[P] | Unreadable]:
        """Decode an item into its samples.

        Raises:
            UnreadableError: The item as a whole cannot be decoded. Any other exception of a decoder is treated the
                same way by core, so there is no need to wrap each.
        """

    @abstractmethod
    def clean(self, sample: Sample[P]) -> Sample[P]:
        """Bring a sample into the form the codec learns from (orientation, size, rate, Unicode NFC, ...).

        The result must survive ``PayloadFormat.to_bytes`` and ``from_bytes`` unchanged.
        """

    def filters(self) -> Sequence[Filter[P]]:
        """Quality checks, in the order in which they run."""
        return ()

    def near(self) -> NearDuplicates[P] | None:
        """How near-duplicates are found; ``None`` (the default, and where the user turned it off) finds none."""
        return None

    def boilerplate(self) -> Boilerplate[P] | None:
        """How parts that many samples share are found and left out; ``None`` (the default) leaves all in."""
        return None

    def portions(self, item: Item) -> Sequence[Item]:
        """Cut a large item into pieces that can be read apart, by several processes; together they give the samples of
        the whole, in its order. Cheap, for it runs before anything is read. Default: the item as it is."""
        return (item,)

    def divide(self, payload: P, fraction: float) -> tuple[P, P] | None:
        """Cut the last ``fraction`` off a payload for validation, where there are too few to hold some out whole.

        ``None`` (the default) says that payloads of this modality cannot be cut.
        """
        return None

    @abstractmethod
    def fit_codec(self, samples: Sequence[Sample[P]], held_out: Sequence[Sample[P]], fit: Fit) -> FittedCodec[P]:
        """Learn the codec from the training part.

        Args:
            samples: The cleaned training samples, read from disk on access; treat as immutable.
            held_out: Cleaned validation samples, only for measuring quality; may be empty.
            fit: Core's training loop. Budgets are steps derived from the number of samples and the options, never
                time, so that a corpus is reproducible.
        """


AnyPreparer = Preparer[Any, Any]
