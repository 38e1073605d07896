"""How a modality finds samples that are nearly the same, and parts that many samples share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from weft.interfaces.samples import P, Sample


@dataclass(frozen=True, slots=True)
class Signature:
    """What nominates near-duplicates of a payload.

    Attributes:
        keys: Any number of 64-bit hashes, ``uint64`` of shape ``(keys,)``: two samples with a key in common are a
            candidate pair. Where position matters (bands of a locality-sensitive hash), mix it into the key. Without
            keys a sample is nobody's candidate.
        sketch: ``uint64`` of shape ``(words,)``, as many for each payload of a modality: what
            :meth:`NearDuplicates.close` compares before payloads are read.
    """

    keys: npt.NDArray[np.uint64]
    sketch: npt.NDArray[np.uint64]


class NearDuplicates(ABC, Generic[P]):
    """Signatures nominate pairs, payloads decide, and the best of several is kept.

    Core goes through the samples from the best to the worst. One that is the :meth:`same` as a better one that is kept
    is rejected, so that each is like the one that stands for it, and not merely linked to it by a chain of others.
    """

    @abstractmethod
    def sign(self, payloads: Sequence[P]) -> list[Signature]:
        """A signature for each *cleaned* payload; must not depend on what else is in the batch."""

    def close(self, sketch: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which candidates are worth reading.

        Args:
            sketch: Shape ``(words,)``.
            others: Shape ``(candidates, words)``.

        Returns:
            Shape ``(candidates,)``; all of them, unless overridden.
        """
        return np.ones(len(others), dtype=np.bool_)

    @abstractmethod
    def same(self, a: P, b: P) -> bool:
        """Whether two cleaned payloads are the same to a person, but for small things. Symmetric; the payloads may come
        from corpora that were prepared with other options (another size, another rate)."""

    def rank(self, sample: Sample[P]) -> float:
        """How good a sample is: the greatest of several is kept (the longest, the largest, that of the highest rate),
        and of equals the first. ``sample.figures`` has what was measured of it, the original size for example."""
        return 0.0


class Boilerplate(ABC, Generic[P]):
    """Parts that so many samples share that they belong to none: menus and footers of web pages."""

    @abstractmethod
    def limit(self, samples: int) -> int:
        """In how many samples of so many a part has to be to count as shared."""

    @abstractmethod
    def parts(self, payload: P) -> npt.NDArray[np.uint64]:
        """Hashes of the parts of a cleaned payload, shape ``(parts,)``."""

    @abstractmethod
    def without(self, payload: P, shared: Collection[int]) -> P:
        """The payload without the parts of these hashes; filters judge it again."""


AnyNearDuplicates = NearDuplicates[Any]
