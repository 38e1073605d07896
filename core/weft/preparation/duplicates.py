"""Exact and near-duplicates: signatures nominate, payloads decide, and the best of several is kept.

Banded signatures as in Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, chapter 3; but instead of the
connected components of the candidate pairs, which chain things together that are not alike, each sample is compared
with those that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from weft.interfaces.near import AnyNearDuplicates
from weft.storage.signatures import SignatureTable

MOST_SHARING = 512
"""Of the kept samples with one key, so many are candidates: a key that more have tells nothing."""

MOST_COMPARED = 32
"""Payloads that a sample is compared with at most, those first that share the most keys with it."""

CACHED = 256
"""Payloads that are held in memory."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What a sample repeats.

    Attributes:
        of: Index of the sample that stands for it.
        how: Whether the payloads are equal or nearly so.
    """

    of: int
    how: Literal["exact", "near"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Samples among which duplicates are looked for.

    Attributes:
        identities: Of each; equal ones are exact duplicates.
        ranks: How good each is, float64 of shape ``(samples,)``.
        questions: What has to be equal as well for two to be near-duplicates, the prompt of a response for one.
        signatures: Of each; ``None`` looks for exact duplicates alone.
        fixed: So many at the beginning are kept whatever they are: those of another corpus.
    """

    identities: Sequence[str]
    ranks: npt.NDArray[np.float64]
    questions: Sequence[Hashable]
    signatures: SignatureTable | None = None
    fixed: int = 0


def find_duplicates(
    candidates: Candidates, near: AnyNearDuplicates | None = None, payload: Callable[[int], Any] | None = None
) -> dict[int, Duplicate]:
    """Which samples repeat a better one, or an equal one that comes before.

    The better has the higher rank; of equal ranks the first. Every sample that another stands for is the same as that
    other by :meth:`weft.NearDuplicates.same`, which is kept itself.

    Args:
        candidates: The samples.
        near: Decides about pairs.
        payload: The cleaned payload of a sample by its index.

    Returns:
        What each duplicate repeats, by index.
    """
    count = len(candidates.identities)
    ranks = candidates.ranks.copy()
    ranks[: candidates.fixed] = np.inf
    order = np.argsort(-ranks, kind="stable")
    found: dict[int, Duplicate] = {}
    first: dict[str, int] = {}
    for index in order.tolist():
        known = first.setdefault(candidates.identities[index], index)
        if known != index and index >= candidates.fixed:
            found[index] = Duplicate(known, "exact")
    if near is None or candidates.signatures is None or payload is None:
        return found
    alive = np.ones(count, dtype=np.bool_)
    alive[list(found)] = False
    groups = _shared_keys(candidates.signatures, alive)
    comparison = _Comparison(candidates, groups, near, lru_cache(CACHED)(payload))
    for index in order[groups.sizes[order] > 0].tolist():
        twin = comparison.twin(index) if index >= candidates.fixed else None
        if twin is None:
            comparison.keep(index)
        else:
            found[index] = Duplicate(twin, "near")
    return {index: _resolved(found, index) for index in sorted(found)}


def _resolved(found: dict[int, Duplicate], index: int) -> Duplicate:
    """What an exact duplicate repeats may turn out to be a near-duplicate of something better itself."""
    first = found[index]
    if first.how == "exact" and first.of in found:
        return Duplicate(found[first.of].of, "near")
    return first


@dataclass(frozen=True, slots=True)
class _Groups:
    """Keys that several samples have.

    Attributes:
        groups: Numbers of the groups of each sample, end to end.
        offsets: Where those of each sample begin.
        sizes: How many each sample has.
        count: How many groups there are.
    """

    groups: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    count: int

    def of(self, index: int) -> npt.NDArray[np.int64]:
        return self.groups[self.offsets[index] : self.offsets[index + 1]]


def _shared_keys(signatures: SignatureTable, alive: npt.NDArray[np.bool_]) -> _Groups:
    """Keys that at least two of the samples have which are alive: all others nominate nothing."""
    lengths = np.diff(signatures.offsets)
    owners = np.repeat(np.arange(len(signatures), dtype=np.int32), lengths)
    usable = alive[owners]
    keys, owners = signatures.keys[usable], owners[usable]
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owners[order]
    starts = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), keys[1:] != keys[:-1]])) if len(keys) else order
    run_lengths = np.diff(np.append(starts, len(keys)))
    group_of = np.repeat(np.cumsum(run_lengths > 1) - 1, run_lengths)
    shared = np.repeat(run_lengths > 1, run_lengths)
    groups, owners = group_of[shared], owners[shared]
    by_owner = np.argsort(owners, kind="stable")
    sizes = np.bincount(owners, minlength=len(signatures)).astype(np.int64)
    return _Groups(
        groups[by_owner].astype(np.int64),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        sizes,
        int(np.count_nonzero(run_lengths > 1)),
    )


class _Comparison:
    """Samples that are kept so far, by the keys that they share with others."""

    def __init__(
        self, candidates: Candidates, groups: _Groups, near: AnyNearDuplicates, payload: Callable[[int], Any]
    ) -> None:
        assert candidates.signatures is not None
        self._questions = candidates.questions
        self._sketches = candidates.signatures.sketches
        self._groups = groups
        self._near = near
        self._payload = payload
        self._kept: dict[int, list[int]] = {}

    def keep(self, index: int) -> None:
        """From now on a candidate for those that share a key with it."""
        for group in set(self._groups.of(index).tolist()):
            members = self._kept.setdefault(group, [])
            if len(members) < MOST_SHARING:
                members.append(index)

    def twin(self, index: int) -> int | None:
        """The kept sample that is the same."""
        for candidate in self._nominated(index).tolist():
            if self._near.same(self._payload(candidate), self._payload(index)):
                return int(candidate)
        return None

    def _nominated(self, index: int) -> npt.NDArray[np.int64]:
        """Kept samples that may be the same, those with the most keys in common first."""
        members = [kept for group in self._groups.of(index).tolist() for kept in self._kept.get(group, ())]
        if not members:
            return np.empty(0, np.int64)
        others, shared = np.unique(np.asarray(members, np.int64), return_counts=True)
        question = self._questions[index]
        alike = np.fromiter((self._questions[other] == question for other in others.tolist()), np.bool_, len(others))
        others, shared = others[alike], shared[alike]
        close = self._near.close(self._sketches[index], self._sketches[others])
        others, shared = others[close], shared[close]
        return others[np.argsort(-shared, kind="stable")][:MOST_COMPARED]
