"""What is held out for validation: a tenth, chosen so that nothing of it is seen in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from weft.interfaces.payload import PayloadFormat
from weft.interfaces.preparer import AnyPreparer, Preparer
from weft.interfaces.samples import Split
from weft.preparation.examine import KeptSample
from weft.storage.payloads import PayloadStore, PayloadWriter
from weft.storage.tables import PartRow

FRACTION = 0.1
FEW_SAMPLES = 20

Way = Literal["items", "ends of samples", "last samples", "nothing"]


@dataclass(frozen=True, slots=True)
class Division:
    """A split.

    Attributes:
        parts: A row for each stored payload, in order.
        way: How it was made.
    """

    parts: Sequence[PartRow]
    way: Way


def split_samples(
    kept: Sequence[KeptSample], seed: int, payloads: Path, preparer: AnyPreparer, payload_format: PayloadFormat[Any]
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
        payloads: The file of the payloads; written anew where they are cut.
        preparer: Knows how to cut.
        payload_format: Reads and writes payloads.
    """
    if len(kept) < FEW_SAMPLES and type(preparer).divide is not Preparer.divide:
        parts = _cut(kept, payloads, preparer, payload_format)
        if parts is not None:
            return Division(parts, "ends of samples")
    sizes = Counter(sample.item for sample in kept)
    held_out = hold_out(sizes, seed)
    if held_out:
        return Division([_whole(sample, sample.item in held_out) for sample in kept], "items")
    parts = _last_samples(kept, sizes)
    return Division(parts, "last samples" if any(part.split == "validation" for part in parts) else "nothing")


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


def _last_samples(kept: Sequence[KeptSample], sizes: Mapping[str, int]) -> list[PartRow]:
    seen: Counter[str] = Counter()
    parts: list[PartRow] = []
    for sample in kept:
        seen[sample.item] += 1
        size = sizes[sample.item]
        parts.append(_whole(sample, seen[sample.item] > size - held_out_count(size)))
    return parts


def _whole(sample: KeptSample, held_out: bool) -> PartRow:
    return PartRow(sample.item, sample.index, 0, "validation" if held_out else "train", sample.prompt, sample.sha256)


def _cut(
    kept: Sequence[KeptSample], payloads: Path, preparer: AnyPreparer, payload_format: PayloadFormat[Any]
) -> list[PartRow] | None:
    """Cut what can be cut, into a file that takes the place of the old one; ``None`` if nothing can."""
    pieces = payloads.with_name(f".{payloads.name}.partial")
    store = PayloadStore(payloads)
    parts: list[PartRow] = []
    with PayloadWriter(pieces) as writer:
        for sample, data in zip(kept, store, strict=True):
            two = None if sample.prompt is not None else _divided(data, preparer.divide, payload_format)
            if two is None:
                parts.append(_whole(sample, held_out=False))
                writer.append(data)
                continue
            sides: tuple[Split, Split] = ("train", "validation")
            for number, (side, payload) in enumerate(zip(sides, two, strict=True)):
                digest = payload_format.content_hash(payload)
                parts.append(PartRow(sample.item, sample.index, number, side, None, digest))
                writer.append(payload_format.to_bytes(payload))
    store.close()
    if all(part.split == "train" for part in parts):
        pieces.unlink()
        return None
    pieces.replace(payloads)
    return parts


def _divided(
    data: bytes,
    divide: Callable[[Any, float], tuple[Any, Any] | None],
    payload_format: PayloadFormat[Any],
) -> tuple[Any, Any] | None:
    return divide(payload_format.from_bytes(data), FRACTION)
