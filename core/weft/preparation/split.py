"""What is held out for validation: a tenth, chosen so that nothing of it is seen in training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
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
FEW_ITEMS = 20

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

    Whole items are, a tenth of them and at least one of two. Where there are fewer than 20 items and the modality can
    cut its payloads, the end of each sample is held out instead; a sample with a prompt is never cut, since half an
    answer answers nothing. Of a single item that cannot be cut the last samples are held out.

    Args:
        kept: The stored samples, in the order of the payloads.
        seed: Of the choice of items.
        payloads: The file of the payloads; written anew where they are cut.
        preparer: Knows how to cut.
        payload_format: Reads and writes payloads.
    """
    items = list(dict.fromkeys(sample.item for sample in kept))
    if len(items) < FEW_ITEMS and type(preparer).divide is not Preparer.divide:
        parts = _cut(kept, payloads, preparer, payload_format)
        if parts is not None:
            return Division(parts, "ends of samples")
    if len(items) > 1:
        held_out = hold_out(items, seed)
        return Division([_whole(sample, sample.item in held_out) for sample in kept], "items")
    count = held_out_count(len(kept))
    return Division(
        [_whole(sample, place >= len(kept) - count) for place, sample in enumerate(kept)],
        "last samples" if count else "nothing",
    )


def hold_out(items: Sequence[str], seed: int) -> set[str]:
    """The items that are held out: those whose names, hashed with the seed, come first."""
    ranked = sorted(items, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    return set(ranked[: held_out_count(len(items))])


def held_out_count(count: int) -> int:
    """A tenth, rounded, but at least one of two."""
    return max(1, round(count * FRACTION)) if count > 1 else 0


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
