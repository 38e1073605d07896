"""What is held out for validation: a tenth, chosen so that nothing of it is seen in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer, Preparer
from weft.interfaces.samples import Split
from weft.preparation.examine import KeptSample
from weft.storage.payloads import LazySequence
from weft.storage.tables import PartRow

FRACTION = 0.1
FEW_SAMPLES = 20

Way = Literal["items", "ends of samples", "last samples", "nothing"]


@dataclass(frozen=True, slots=True)
class Division:
    """A split.

    Attributes:
        parts: A row for each part of a sample, in order.
        payloads: Their payloads in stored form, made on access.
        way: How it was made.
    """

    parts: Sequence[PartRow]
    payloads: Sequence[bytes]
    way: Way


def split_samples(
    kept: Sequence[KeptSample],
    seed: int,
    payloads: Sequence[bytes],
    preparer: AnyPreparer,
    payload_format: PayloadFormat[Any],
    sources: Mapping[str, int],
) -> Division:
    """Decide what is held out.

    Fewer than 20 samples of a modality that can cut its payloads are cut, and the end of each is held out; one with a
    prompt is never cut, since half an answer answers nothing. Otherwise :func:`hold_out` names whole items with a tenth
    of all samples, and nothing of them is seen in training. Where items are too few or too uneven for that (one file of
    many samples, two of equal size, a large one beside a tiny one), the last tenth of the samples of each item is held
    out.

    Args:
        kept: The stored samples, in the order of the payloads.
        seed: Of the choice of items.
        payloads: Of the kept samples, in their stored form.
        preparer: Knows how to cut.
        payload_format: Reads and writes payloads.
        sources: Index of each source, by its location.
    """
    indices = [sources[sample.source] for sample in kept]
    if len(kept) < FEW_SAMPLES and type(preparer).divide is not Preparer.divide:
        division = _cut(kept, payloads, preparer, payload_format, indices)
        if division is not None:
            return division
    sizes = Counter(sample.item for sample in kept)
    held_out = hold_out(sizes, seed)
    if held_out:
        sides = [sample.item in held_out for sample in kept]
        return Division(list(map(_whole, kept, sides, indices)), payloads, "items")
    parts = list(map(_whole, kept, _last_samples(kept, sizes), indices))
    some = any(part.split == "validation" for part in parts)
    return Division(parts, payloads, "last samples" if some else "nothing")


def hold_out(sizes: Mapping[str, int], seed: int) -> set[str]:
    """The items that are held out.

    They are taken in the order of their names hashed with the seed until they hold a tenth of the samples. One that
    would make it more than a fifth is passed over.

    Args:
        sizes: Samples of each item.
        seed: Of the order.

    Returns:
        Names of items; none where they would hold less than a twentieth of the samples.
    """
    total = sum(sizes.values())
    goal = held_out_count(total)
    most = max(goal, int(total * FRACTION * 2))
    chosen: set[str] = set()
    held = 0
    for name in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest()):
        if held >= goal:
            break
        if held + sizes[name] <= most:
            chosen.add(name)
            held += sizes[name]
    return chosen if held >= total * FRACTION / 2 else set()


def held_out_count(count: int) -> int:
    """A tenth, rounded, but at least one of two."""
    return max(1, round(count * FRACTION)) if count > 1 else 0


def _last_samples(kept: Sequence[KeptSample], sizes: Mapping[str, int]) -> list[bool]:
    """Whether each is held out."""
    seen: Counter[str] = Counter()
    held_out: list[bool] = []
    for sample in kept:
        seen[sample.item] += 1
        size = sizes[sample.item]
        held_out.append(seen[sample.item] > size - held_out_count(size))
    return held_out


def _whole(sample: KeptSample, held_out: bool, source: int) -> PartRow:
    side: Split = "validation" if held_out else "train"
    return PartRow(sample.item, sample.index, 0, side, sample.prompt, sample.sha256, source)


def _cut(
    kept: Sequence[KeptSample],
    payloads: Sequence[bytes],
    preparer: AnyPreparer,
    payload_format: PayloadFormat[Any],
    sources: Sequence[int],
) -> Division | None:
    """Cut what can be cut; ``None`` if nothing can."""

    # Both halves of a sample are asked for one after the other, and only those of one are kept in memory.
    @lru_cache(maxsize=1)
    def halves(index: int) -> tuple[Any, Any] | None:
        if kept[index].prompt is not None:
            return None
        return preparer.divide(payload_format.from_bytes(payloads[index]), FRACTION)

    parts: list[PartRow] = []
    pieces: list[tuple[int, int]] = []
    sides: tuple[Split, Split] = ("train", "validation")
    for index, sample in enumerate(kept):
        two = halves(index)
        if two is None:
            parts.append(_whole(sample, False, sources[index]))
            pieces.append((index, -1))
            continue
        for number, (side, payload) in enumerate(zip(sides, two, strict=True)):
            digest = payload_format.content_hash(payload)
            parts.append(PartRow(sample.item, sample.index, number, side, None, digest, sources[index]))
            pieces.append((index, number))
    if len(parts) == len(kept):
        return None

    def piece(row: int) -> bytes:
        index, number = pieces[row]
        two = halves(index)
        return payloads[index] if two is None else payload_format.to_bytes(two[number])

    return Division(parts, LazySequence(len(pieces), piece), "ends of samples")
